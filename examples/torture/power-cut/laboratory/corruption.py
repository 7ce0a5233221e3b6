"""Changes bytes at rest, and checks that nothing acknowledged is lost without an error."""
import os, random, re, shutil, tempfile
from pathlib import Path

from .base import copy_tree, die
from .verifying import run_verify


def cmd_corrupt(a):
    need = {m.group(1) for m in re.finditer(r"^ACK\s+(.+?)\s*$", Path(a.acks).read_text(errors="replace"), re.M)}
    rng = random.Random(a.seed)
    files = [(p, p.stat().st_size) for p in sorted(Path(a.dir).rglob("*")) if p.is_file() and p.stat().st_size
             and (not a.glob or p.match(a.glob))]
    if not files:
        die("no files to corrupt")
    work = tempfile.mkdtemp(prefix="crashlab-corrupt-")
    tally, ex = {}, []
    kinds = a.kinds.split(",")
    for i in range(a.n):
        d = os.path.join(work, "data")
        copy_tree(a.dir, d)
        p, size = rng.choices(files, [s for _, s in files])[0] if rng.random() < 0.7 else rng.choice(files)
        kind = rng.choice(kinds)
        q = os.path.join(d, p.relative_to(a.dir))
        b = bytearray(Path(q).read_bytes())
        off = rng.randrange(size)
        if a.nonzero:
            for _ in range(200):
                if b[off]:
                    break
                off = rng.randrange(size)
        if kind == "flip":
            b[off] ^= 1 << rng.randrange(8)
        elif kind == "zero":
            s = off // 512 * 512
            b[s:s + 512] = b"\0" * len(b[s:s + 512])
        elif kind == "trunc":
            del b[off:]
        elif kind == "remove":
            b = None
        os.unlink(q) if b is None else Path(q).write_bytes(b)
        rc, found, err, bl = run_verify(a.verify, d, a.verify_timeout)
        miss = need - found
        extra = found - need if a.no_extra else set()
        if rc is None:
            t = "HANG"
        elif rc < 0 or rc in (134, 139):
            t = "CRASH (signal)"
        elif rc == 101:
            t = "panic"
        elif rc != 0:
            t = "clean error" if err or bl else "ERROR WITHOUT A MESSAGE"
        elif bl or extra:
            t = "WRONG DATA SERVED"
        elif miss:
            t = "SILENT LOSS"
        else:
            t = "harmless"
        tally[t] = tally.get(t, 0) + 1
        if t.isupper() or t.startswith(("CRASH", "panic")):
            if sum(1 for x in ex if x[0] == t) < 3:
                ex.append((t, f"{kind} {p.name}@{off}: rc={rc} missing {len(miss)}/{len(need)} {err[-120:]}"))
    shutil.rmtree(work, ignore_errors=True)
    print("corruption:", ", ".join(f"{k} {v}" for k, v in sorted(tally.items())))
    for t, s in ex:
        print("  ", t, "|", s)
    bad = sum(v for k, v in tally.items() if k in ("HANG", "CRASH (signal)", "ERROR WITHOUT A MESSAGE", "WRONG DATA SERVED", "SILENT LOSS"))
    print("VERDICT:", "FAIL" if bad else "PASS")
    return 1 if bad else 0
