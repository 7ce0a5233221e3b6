"""Writes a state to a directory and runs the verifier on it."""
import hashlib, os, re, shutil, subprocess

FOUND = re.compile(r"^FOUND\s+(.+?)\s*$", re.M)
RANGE = re.compile(r"^(\d+)\.\.(\d+)$")


def write_img(img, d):
    shutil.rmtree(d, ignore_errors=True)
    os.makedirs(d)
    for p in sorted(img):
        q = os.path.join(d, p.encode("latin-1").decode("utf-8", "surrogateescape"))
        if img[p] is None:
            os.makedirs(q, exist_ok=True)
        else:
            with open(q, "wb") as f:
                f.write(img[p])



def img_hash(img):
    h = hashlib.blake2b(digest_size=16)
    for p in sorted(img):
        h.update(p.encode("latin-1", "replace") + b"\0" + (b"D" if img[p] is None else hashlib.blake2b(img[p], digest_size=16).digest()))
    return h.hexdigest()


def run_verify(cmd, d, timeout, found_re=FOUND):
    c = cmd.replace("{dir}", d) if "{dir}" in cmd else f"{cmd} {d}"
    try:
        r = subprocess.run(c, shell=True, capture_output=True, timeout=timeout, stdin=subprocess.DEVNULL,
                           env=dict(os.environ, CRASHLAB_DIR=d), start_new_session=True)
    except subprocess.TimeoutExpired:
        return None, set(), "verify timed out", []
    out = r.stdout.decode("utf-8", "replace")
    found = set()
    for m in found_re.finditer(out):
        q = RANGE.match(m.group(1))
        if q:
            found.update(str(i) for i in range(int(q[1]), int(q[2]) + 1))
        else:
            found.add(m.group(1))
    bad = [ln for ln in out.splitlines() if ln.startswith("BAD")]
    return r.returncode, found, (r.stderr.decode("utf-8", "replace").strip()[-300:]), bad
