"""Lets a chosen system call fail or fall short, then checks the answers, a restart and a power cut."""
import errno as errno_mod, os, re, shutil, tempfile
from pathlib import Path

from .base import STATES, copy_tree, die, empty_dir
from .recording import record
from .replaying import replay
from .verifying import run_verify

ERR = re.compile(r"error|fail|no space|input/output|os error|enospc|eio|panick|poison", re.I)


def parse_nth(s):
    m = re.match(r"^(\d+)-(\d+)(?::(\d+))?$", s)
    if m:
        return list(range(int(m[1]), int(m[2]) + 1, int(m[3] or 1)))
    return [int(x) for x in s.split(",")]



def cmd_fault(a, cmd):
    num = getattr(errno_mod, a.errno, None) or die(f"unknown errno {a.errno}")
    d = os.path.realpath(a.dir)
    os.makedirs(d, exist_ok=True)
    work = tempfile.mkdtemp(prefix="crashlab-fault-")
    base = os.path.join(work, "base0")
    copy_tree(d, base)
    rows, bad, fired = [], 0, 0
    for k in parse_nth(a.nth):
        empty_dir(d)
        shutil.copytree(base, d, dirs_exist_ok=True, symlinks=True)
        f = {"op": a.op, "nth": k, "errno": num, "sticky": a.sticky, "path": a.path, "short": a.short}
        tr, rc = record(d, os.path.join(work, "t"), cmd, timeout=a.timeout, fault=f, quiet=True)
        if a.trace:
            copy_tree(os.path.join(work, "t"), a.trace)
        if not tr.faults:
            print(f"nth={k}: no fault fired (only {tr.end.get('fault_candidates', 0)} '{a.op}' calls); end of sweep")
            break
        fired += 1
        fs = tr.faults[0]["e"]
        late = [i for e, i in tr.acks if e > fs]
        errtxt = "\n".join(s for _, s in tr.errs)
        outtxt = Path(work, "t", "stdout.txt").read_text(errors="replace")
        hang = bool(tr.end.get("timeout"))
        sig = tr.end.get("signal", 0)
        retries = sum(1 for op in tr.ops if op.kind == "s" and op.e > fs and op.ok and op.name in ("fsync", "fdatasync")) if a.op == "fsync" else 0
        clear = bool(ERR.search(errtxt) or re.search(a.error_re, outtxt, re.I | re.M))
        notes, fail = [], False
        if hang:
            fail = True
            notes.append("HANG (killed at the time limit)")
        elif sig:
            notes.append(f"died by signal {sig}")
        elif rc == 101:
            notes.append("panic (exit 101)")
        # what POSIX lets a program finish by another call: completed without a word is as good as an error
        completed = (a.short is not None or a.errno == "EINTR") and rc == 0 and not sig
        if not clear and not hang and not completed:
            fail = True
            notes.append("SILENT: no error text on stdout/stderr" + (" and exit 0" if rc == 0 else ""))
        elif rc == 0 and not hang:
            notes.append("exit 0 with an error message")
        if len(late) > a.allow_late and not completed:
            fail = True
            notes.append(f"{len(late)} acks AFTER the failed {a.op}")
        if retries:
            notes.append(f"{retries} later syncs returned success")
        if a.verify:
            r = replay(tr, a.verify, 0, list(STATES), 2, a.seed, a.dirmodel, False, True, 512, a.jobs, a.verify_timeout,
                       os.path.join(work, "w"), only_cuts=[tr.maxseq])
            lost = sum(b["lost"] for b in r["by"].values())
            un = sum(b["unopenable"] for b in r["by"].values())
            if lost or un:
                fail = True
                notes.append(f"POWER CUT AFTERWARDS: lost acks in {lost}, unopenable in {un} of {r['runs']} states"
                             + (f" [{r['examples'][0]['why'][:110]}]" if r["examples"] else ""))
            # the plain restart without a power cut must work too
            dd = os.path.join(work, "plain")
            copy_tree(os.path.join(work, "t", "final"), dd)
            vr, found, err, bl = run_verify(a.verify, dd, a.verify_timeout)
            miss = {i for _, i in tr.acks} - found
            if vr != 0 or miss or bl:
                fail = True
                notes.append(f"RESTART: verify exit {vr}, {len(miss)} acked items missing {bl[:1]} {err[-100:]}")
        bad += fail
        msg = (errtxt.strip().splitlines() or [""])[-1][:110]
        print(f"nth={k} {a.op} {a.errno} on {os.path.relpath(tr.faults[0]['p'], d)}{' (sticky)' if a.sticky else ''}: "
              f"{'FAIL' if fail else 'ok'}; exit {rc}; acks before {len(tr.acks) - len(late)} after {len(late)}; {'; '.join(notes) or ('completed' if completed else 'clean error')}"
              + (f" | last stderr: {msg}" if msg else ""))
    empty_dir(d)
    shutil.copytree(base, d, dirs_exist_ok=True, symlinks=True)
    shutil.rmtree(work, ignore_errors=True)
    print(f"VERDICT: {'PASS' if not bad and fired else 'FAIL' if bad else 'NOTHING INJECTED'} ({fired} faults, {bad} failing)")
    return 1 if bad or not fired else 0
