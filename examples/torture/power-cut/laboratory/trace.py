"""The record of a program: its writes, syncs, directory operations, and the lines it printed."""
import json, os, random, re
from pathlib import Path

from .base import INF
from .model import Model


class Op:
    __slots__ = ("kind", "uid", "e", "x", "off", "do", "dl", "dsync", "size", "dop", "targets", "ok", "name", "fl", "len", "zero")

    def __init__(self, kind, e, x, **kw):
        self.kind, self.e, self.x = kind, e, x
        self.uid = self.off = self.do = self.dl = self.size = self.dop = self.targets = self.name = self.fl = self.len = None
        self.dsync = self.zero = False
        self.ok = True
        for k, v in kw.items():
            setattr(self, k, v)



class Trace:
    def __init__(self, path, ack_re=r"^ACK\s+(.+?)\s*$", try_re=r"^TRY\s+(.+?)\s*$"):
        self.path = path
        self.meta = json.loads(Path(path, "meta.json").read_text())
        self.root = self.meta["dir"]
        self.data = open(os.path.join(path, "data.bin"), "rb")
        self.ops, self.acks, self.tries, self.warnings, self.faults = [], [], [], [], []
        self.counts, self.bytes_written, self.end = {}, 0, {}
        self.errs = []
        self.paths = {}        # uid -> last known path (for reports)
        self._load(re.compile(ack_re), re.compile(try_re))

    def blob(self, do, dl):
        self.data.seek(do)
        return self.data.read(dl)

    def _load(self, ack_re, try_re):
        inv = self.meta["inv"]
        self.uid_of, self.tree, self.base_file, n = {}, {}, {}, 0
        rel2uid = {}
        for rel, (t, fid) in sorted(inv.items()):
            if fid in self.uid_of and t == "f":
                uid = self.uid_of[fid]
            else:
                uid = n
                n += 1
                self.uid_of[fid] = uid
            rel2uid[rel] = uid
            if t == "d":
                self.tree[uid] = {}
            else:
                self.base_file[uid] = rel
            if rel:
                parent, name = os.path.split(rel)
                self.tree[rel2uid[parent]][name] = uid
            self.paths[uid] = rel or "."
        self.rootuid = rel2uid[""]
        self.base_tree = {k: dict(v) for k, v in self.tree.items()}
        full = {k: dict(v) for k, v in self.tree.items()}
        self.isdir = set(self.tree)
        next_uid = [n]

        def new(fid, isdir, rel):
            u = next_uid[0]
            next_uid[0] += 1
            self.uid_of[fid] = u
            if isdir:
                self.isdir.add(u)
                full[u] = {}
            self.paths[u] = rel
            return u

        def rel(p):
            if p == self.root:
                return ""
            return p[len(self.root) + 1:] if p.startswith(self.root + "/") else None

        def parent(p):
            r = rel(p)
            if r is None:
                return None, None
            cur = self.rootuid
            parts = r.split("/")
            for c in parts[:-1]:
                cur = full.get(cur, {}).get(c)
                if cur is None:
                    return None, None
            return cur, parts[-1]

        buf = {"out": b"", "err": b""}
        raw = []
        with open(os.path.join(self.path, "events.jsonl"), encoding="latin-1") as f:
            for line in f:
                try:
                    raw.append(json.loads(line))
                except ValueError:
                    self.warnings.append("truncated event log")
        for v in raw:                      # output lines count from their entry
            if v["k"] in ("out", "err"):
                buf[v["k"]] += self.blob(v["do"], v["dl"])
                *lines, buf[v["k"]] = buf[v["k"]].split(b"\n")
                for ln in lines:
                    s = ln.decode("utf-8", "replace")
                    if v["k"] == "err":
                        self.errs.append((v["e"], s))
                        continue
                    m = ack_re.match(s)
                    if m:
                        self.acks.append((v["e"], m.group(1)))
                    m = try_re.match(s)
                    if m:
                        self.tries.append((v["e"], m.group(1)))
        raw.sort(key=lambda v: v["x"])
        for v in raw:
            k, e, x = v["k"], v["e"], v["x"]
            self.counts[k] = self.counts.get(k, 0) + 1
            dop = None
            if k == "w":
                uid = self.uid_of.get(v["f"])
                self.bytes_written += v["dl"]
                if uid is None:
                    self.warnings.append(f"write to a file of unknown origin: {v['p']}")
                    continue
                self.ops.append(Op("w", e, x, uid=uid, off=v["off"], do=v["do"], dl=v["dl"], dsync=bool(v.get("dsync"))))
            elif k == "trunc":
                uid = self.uid_of.get(v["f"])
                if uid is not None:
                    self.ops.append(Op("t", e, x, uid=uid, size=v["size"]))
            elif k == "falloc":
                uid = self.uid_of.get(v["f"])
                if uid is None:
                    continue
                mode = v["mode"]
                if mode & ~0x1b:           # collapse / insert / unshare
                    self.warnings.append(f"fallocate mode {mode:#x} is not modelled")
                self.ops.append(Op("a", e, x, uid=uid, off=v["off"], len=v["len"], fl=mode))
            elif k == "s":
                kind = v["kind"]
                self.counts["sync:" + kind] = self.counts.get("sync:" + kind, 0) + 1
                uid = "*" if v["p"] == "*" else self.uid_of.get(v["f"])
                if uid is None or v["p"] == "?":
                    continue
                self.ops.append(Op("s", e, x, uid=uid, name=kind, ok=v["ret"] >= 0, off=v.get("off"), len=v.get("len"), fl=v.get("fl")))
            elif k == "tmpfile":
                new(v["f"], False, "(O_TMPFILE)")
            elif k in ("create", "mkdir"):
                d, name = parent(v["p"])
                if d is None:
                    continue
                u = new(v["f"], k == "mkdir", rel(v["p"]))
                full[d][name] = u
                dop = ("add", d, name, u)
            elif k == "link":
                d, name = parent(v["p"])
                u = self.uid_of.get(v["f"])
                if d is None or u is None:
                    self.warnings.append(f"link not modelled: {v['p']}")
                    continue
                full[d][name] = u
                dop = ("add", d, name, u)
            elif k in ("unlink", "rmdir"):
                d, name = parent(v["p"])
                if d is None:
                    continue
                u = full[d].pop(name, None)
                dop = ("del", d, name, u)
            elif k == "rename":
                sd, sn = parent(v["p"])
                dd, dn = parent(v["p2"])
                if v.get("fl", 0) & 2:
                    self.warnings.append("RENAME_EXCHANGE is not modelled")
                if sd is None and dd is not None:
                    self.warnings.append(f"rename from outside the tracked directory is not modelled: {v['p']}")
                    continue
                u = full[sd].pop(sn, None) if sd is not None else None
                if u is None:
                    continue
                if dd is None:
                    dop = ("del", sd, sn, u)
                else:
                    full[dd][dn] = u
                    self.paths[u] = rel(v["p2"])
                    dop = ("mv", sd, sn, dd, dn, u)
            elif k == "warn":
                self.warnings.append(v["msg"])
            elif k == "fault":
                self.faults.append(v)
            elif k == "end":
                self.end = v
            if dop:
                self.counts["dirop"] = self.counts.get("dirop", 0) + 1
                self.ops.append(Op("d", e, x, dop=dop))
        self.maxseq = max([v["x"] for v in raw], default=0)
        self.raw = raw

    def selfcheck(self):
        fin = os.path.join(self.path, "final")
        m = Model(self)
        m.advance(INF)
        img = m.build("all", random.Random(0))
        want = {}
        for base, dirs, files in os.walk(fin):
            for nme in files:
                p = os.path.join(base, nme)
                if os.path.isfile(p) and not os.path.islink(p):
                    want[os.path.relpath(p, fin)] = Path(p).read_bytes()
        bad = []
        got = {p: b for p, b in img.items() if b is not None}
        for p in sorted(set(want) | set(got)):
            if p not in got:
                bad.append(f"{p}: on disk but not in the log")
            elif p not in want:
                bad.append(f"{p}: in the log but not on disk")
            elif bytes(got[p]) != want[p]:
                a, b = bytes(got[p]), want[p]
                i = next((i for i in range(min(len(a), len(b))) if a[i] != b[i]), min(len(a), len(b)))
                bad.append(f"{p}: differs at byte {i} (log {len(a)} bytes, disk {len(b)} bytes)")
        return bad
