"""Runs a program under the tracer, and keeps the directory before and after."""
import hashlib, json, os, shutil, subprocess, tempfile, time
from pathlib import Path

from .base import HERE, copy_tree, die
from .trace import Trace


def build_tracer():
    cache = Path(os.environ.get("CRASHLAB_CACHE", Path(tempfile.gettempdir()) / f"crashlab-{os.getuid()}"))
    cache.mkdir(parents=True, exist_ok=True)
    src = HERE / "tracer.c"
    out = cache / ("tracer-" + hashlib.sha1(src.read_bytes()).hexdigest()[:12])
    if not out.exists():
        r = subprocess.run([os.environ.get("CC", "cc"), "-O2", "-w", "-o", str(out) + ".tmp", str(src)], capture_output=True, text=True)
        if r.returncode:
            die("cannot build the tracer:\n" + r.stderr)
        os.rename(str(out) + ".tmp", out)
    return str(out)



def fid_of(st):
    return f"{st.st_dev:x}:{st.st_ino}"


def inventory(d):
    """relpath -> [type, fid] for everything under d ('' is d itself)."""
    inv = {"": ["d", fid_of(os.stat(d))]}
    for base, dirs, files in os.walk(d):
        for n in dirs:
            p = os.path.join(base, n)
            inv[os.path.relpath(p, d)] = ["d", fid_of(os.lstat(p))]
        for n in files:
            p = os.path.join(base, n)
            if os.path.isfile(p) and not os.path.islink(p):
                inv[os.path.relpath(p, d)] = ["f", fid_of(os.lstat(p))]
    return inv



def record(d, trace, cmd, max_acks=0, timeout=0, ack_prefix="ACK ", fault=None, quiet=False):
    d = os.path.realpath(d)
    os.makedirs(d, exist_ok=True)
    trace = os.path.realpath(trace)
    if (trace + "/").startswith(d + "/"):
        die("the trace folder must not be inside the tracked directory")
    shutil.rmtree(trace, ignore_errors=True)
    os.makedirs(trace)
    copy_tree(d, os.path.join(trace, "base"))
    meta = {"dir": d, "cmd": cmd, "inv": inventory(d), "time": time.time(), "fault": fault}
    Path(trace, "meta.json").write_text(json.dumps(meta))
    args = [build_tracer(), "--root", d, "--log", f"{trace}/events.jsonl", "--data", f"{trace}/data.bin"]
    if max_acks:
        args += ["--max-acks", str(max_acks), "--ack-prefix", ack_prefix]
    if timeout:
        args += ["--timeout", str(timeout)]
    if fault:
        args += ["--op", fault["op"], "--nth", str(fault["nth"]), "--errno", str(fault["errno"])]
        if fault.get("sticky"):
            args.append("--sticky")
        if fault.get("path"):
            args += ["--path", fault["path"]]
        if fault.get("short") is not None:
            args += ["--short", str(fault["short"])]
    with open(f"{trace}/stdout.txt", "wb") as so, open(f"{trace}/stderr.txt", "wb") as se:
        rc = subprocess.run(args + ["--"] + cmd, stdout=so, stderr=se, stdin=subprocess.DEVNULL).returncode
    copy_tree(d, os.path.join(trace, "final"))
    tr = Trace(trace)
    bad = tr.selfcheck()
    meta.update(rc=rc, selfcheck=bad, warnings=tr.warnings)
    Path(trace, "meta.json").write_text(json.dumps(meta))
    if not quiet:
        c = tr.counts
        print(f"recorded: exit {rc}, {len(tr.acks)} acks, {c.get('w', 0)} writes ({tr.bytes_written} bytes), "
              f"{sum(v for k, v in c.items() if k.startswith('sync:'))} syncs "
              f"({', '.join(f'{k[5:]} {v}' for k, v in sorted(c.items()) if k.startswith('sync:')) or 'none'}), "
              f"{c.get('dirop', 0)} directory ops, {tr.end.get('secs', 0)} s")
        for w in tr.warnings:
            print("WARNING:", w)
        if bad:
            print("SELF-CHECK FAILED: the log does not explain the final directory (unseen writes: mmap, io_uring, outside processes?):")
            for b in bad[:10]:
                print("   ", b)
        else:
            print("self-check: log replay equals the final directory byte for byte")
    return tr, rc
