"""What the parts of the laboratory share: constants, errors, and copies of directories."""
import os, shutil, sys
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
SECTOR = 512
INF = 1 << 62
STATES = ("synced", "all", "prefix", "drop", "torn", "lastonly", "garbage")


def die(msg, rc=2):
    print(f"crashlab: {msg}", file=sys.stderr)
    sys.exit(rc)



def copy_tree(src, dst):
    shutil.rmtree(dst, ignore_errors=True)
    shutil.copytree(src, dst, symlinks=True)


def empty_dir(d):
    for n in os.listdir(d):
        p = os.path.join(d, n)
        shutil.rmtree(p) if os.path.isdir(p) and not os.path.islink(p) else os.unlink(p)
