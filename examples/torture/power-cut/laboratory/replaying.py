"""Builds and verifies the states that power cuts may leave, also those during a recovery."""
import bisect, os, random, time
from concurrent.futures import ThreadPoolExecutor

from .model import Model
from .recording import record
from .verifying import img_hash, run_verify, write_img


def choose_cuts(tr, n, rng):
    acks = [e for e, _ in tr.acks]
    marks = set(acks)
    for op in tr.ops:
        marks.add(op.x)
        marks.add(op.e)
    marks = sorted(m for m in marks if m > 0)
    if n <= 0 or len(marks) <= n:
        return marks
    k = n // 2                                   # half right after acks, half anywhere
    a = acks if len(acks) <= k else [acks[int(i * len(acks) / k)] for i in range(k)]
    rest = [m for m in marks if m not in set(a)]
    a = set(a) | {marks[-1]}
    step = max(1, len(rest) / (n - len(a))) if n > len(a) else 0
    pos = rng.random() * step
    while step and pos < len(rest) and len(a) < n:
        a.add(rest[int(pos)])
        pos += step
    return sorted(a)



def replay(tr, verify, cuts, states, repeat, seed, dirmodel, sfr, gate, sector, jobs, timeout, work, twice=False,
           extra_required=(), ordered=False, only_cuts=None, nested=0, drop_syncs=None):
    rng = random.Random(seed)
    cutlist = only_cuts or choose_cuts(tr, cuts, rng)
    model = Model(tr, dirmodel, sfr, gate, sector, drop_syncs)
    plan_states = []
    for s in states:
        plan_states += [s] * (1 if s in ("synced", "all") else repeat)
    res = {"runs": 0, "unique": 0, "fail": 0, "by": {}, "examples": [], "cuts": len(cutlist)}
    cache, t0 = {}, time.time()
    ack_e = [e for e, _ in tr.acks]
    try_e = [e for e, _ in tr.tries]
    os.makedirs(work, exist_ok=True)
    slots = list(range(jobs))
    nested_pool = []

    def job(img, h, slot):
        d = os.path.join(work, f"s{slot}", "data")
        write_img(img, d)
        r = run_verify(verify, d, timeout)
        if twice and r[0] == 0:
            r2 = run_verify(verify, d, timeout)
            if (r2[0], r2[1]) != (r[0], r[1]):
                r = (r2[0] if r2[0] else 0, r[1] & r2[1], "second open differs from the first", r[3] + ["BAD second open differs"])
        slots.append(slot)
        return r

    def judge(cut, state, sub, h, r):
        rc, found, err, bad = r
        need = {i for _, i in tr.acks[:bisect.bisect_right(ack_e, cut)]} | set(extra_required)
        b = res["by"].setdefault(state, {"runs": 0, "lost": 0, "unopenable": 0, "phantom": 0, "bad": 0, "gap": 0})
        res["runs"] += 1
        b["runs"] += 1
        why = None
        if rc is None or rc != 0:
            b["unopenable"] += 1
            why = f"verify exit {rc}: {err[-160:]}"
        miss = need - found
        if miss and rc == 0:
            b["lost"] += 1
            why = f"{len(miss)} of {len(need)} acked items missing, e.g. {sorted(miss, key=lambda s: (len(s), s))[:4]}"
        if rc == 0 and not why and bad:
            b["bad"] += 1
            why = bad[0]
        if rc == 0 and not why and tr.tries:
            tried = {i for _, i in tr.tries[:bisect.bisect_right(try_e, cut)]} | need
            ph = found - tried
            if ph:
                b["phantom"] += 1
                why = f"phantom items {sorted(ph)[:4]}"
        if rc == 0 and not why and ordered:
            seq = [i for _, i in (tr.tries or tr.acks)]
            hit = [i in found for i in seq]
            if True in hit and not all(hit[:len(hit) - hit[::-1].index(True)]):
                b["gap"] += 1
                why = f"gap: item {seq[hit.index(False)]} missing but a later one is present"
        if why:
            res["fail"] += 1
            if len(res["examples"]) < 12 and sum(1 for x in res["examples"] if x["state"] == state) < 3:
                res["examples"].append({"cut": cut, "state": state, "sub": sub, "why": why})

    with ThreadPoolExecutor(jobs) as ex:
        pend = []

        def drain(limit):
            while len(pend) > limit:
                args, h, fut = pend.pop(0)
                cache[h] = fut.result()
                judge(*args, h, cache[h])

        for cut in cutlist:
            model.advance(cut)
            for k, state in enumerate(plan_states):
                sub = f"{seed}/{cut}/{state}/{k}"
                img = model.build(state, random.Random(sub))
                h = img_hash(img)
                if h in cache:
                    judge(cut, state, sub, h, cache[h])
                    continue
                same = [p for p in pend if p[1] == h]
                if same:
                    drain(0)
                    judge(cut, state, sub, h, cache[h])
                    continue
                drain(jobs - 1)
                res["unique"] += 1
                pend.append(((cut, state, sub), h, ex.submit(job, img, h, slots.pop())))
                if nested and state not in ("synced",) and random.Random(sub).random() < 0.15:
                    nested_pool.append((cut, state, sub, img, h))
        drain(0)
    res["secs"] = round(time.time() - t0, 1)
    # a second power cut during recovery
    if nested and nested_pool:
        nr = random.Random(seed + 1)
        nested_pool = nr.sample(nested_pool, min(nested, len(nested_pool)))
        nres = {"runs": 0, "fail": 0, "outer": 0, "examples": []}
        for cut, state, sub, img, h in nested_pool:
            need = {i for _, i in tr.acks[:bisect.bisect_right(ack_e, cut)]} | set(extra_required)
            if cache[h][0] != 0 or need - cache[h][1]:
                continue                      # already counted as a failure above
            nres["outer"] += 1
            d = os.path.join(work, "nested", "data")
            write_img(img, d)
            t2 = os.path.join(work, "nested-trace")
            c = verify.replace("{dir}", d) if "{dir}" in verify else f"{verify} {d}"
            tr2, rc2 = record(d, t2, ["/bin/sh", "-c", "exec " + c], timeout=timeout, quiet=True)
            tr2.acks, tr2.tries = [], []
            if rc2 != 0:
                continue                      # counted already in the first round
            r2 = replay(tr2, verify, 20, [s for s in states], 1, seed, dirmodel, sfr, gate, sector, jobs, timeout,
                        os.path.join(work, "nested-work"), extra_required=need)
            nres["runs"] += r2["runs"]
            nres["fail"] += r2["fail"]
            for e in r2["examples"][:2]:
                nres["examples"].append({"outer": sub, **e})
        res["nested"] = nres
    return res



def print_result(res, title, show=""):
    print(f"{title}: {res['cuts']} cuts, {res['runs']} states checked ({res['unique']} distinct), {res['fail']} failures, {res['secs']} s")
    print(f"  {'state':10} {'checked':>8} {'lost-ack':>9} {'unopenable':>11} {'phantom':>8} {'gap':>5} {'bad':>5}")
    for s, b in res["by"].items():
        print(f"  {s:10} {b['runs']:8} {b['lost']:9} {b['unopenable']:11} {b['phantom']:8} {b['gap']:5} {b['bad']:5}")
    for e in res["examples"]:
        print(f"  FAIL cut={e['cut']} state={e['state']} sub={e['sub']}: {e['why']}")
        if show:
            print(f"       build it again: {show} --sub {e['sub']} --to DIR")
    if "nested" in res:
        n = res["nested"]
        print(f"  crash-during-recovery: {n['outer']} recoveries cut, {n['runs']} states checked, {n['fail']} failures")
        for e in n["examples"][:5]:
            print(f"    FAIL outer={e['outer']} cut={e['cut']} state={e['state']}: {e['why']}")
    print("VERDICT:", "PASS" if not res["fail"] and not res.get("nested", {}).get("fail") else "FAIL")
