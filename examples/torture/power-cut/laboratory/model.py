"""What a disk may contain after a power cut: what was synced, and any legal part of the rest."""
from fnmatch import fnmatch
from pathlib import Path

from .base import INF, SECTOR


class FileState:
    """floor = what is certainly on the platter; pend = newer segments, oldest first."""
    __slots__ = ("floor", "size", "pend", "sizes", "cur")

    def __init__(self, content=b""):
        self.floor = bytearray(content)
        self.size = len(self.floor)     # durable size
        self.cur = self.size            # size as the process sees it
        self.pend = []                  # [id(x), off, data|None, length, poisoned]
        self.sizes = []                 # [id, newsize, poisoned]

    def put(self, off, data, length):
        end = off + length
        if len(self.floor) < end:
            self.floor.extend(b"\0" * (end - len(self.floor)))
        self.floor[off:end] = data if data is not None else b"\0" * length

    def promote(self, lo, hi, upto):
        """segments with id <= upto inside [lo, hi) become durable."""
        out = []
        for seg in self.pend:
            i, off, data, ln, poi = seg
            a, b = max(lo, off), min(hi, off + ln)
            if i > upto or a >= b:
                out.append(seg)
                continue
            self.put(a, data[a - off:b - off] if data is not None else None, b - a)
            if off < a:
                out.append([i, off, data[:a - off] if data is not None else None, a - off, poi])
            if b < off + ln:
                out.append([i, b, data[b - off:] if data is not None else None, off + ln - b, poi])
        self.pend = out

    def promote_size(self, upto):
        keep = []
        for i, s, poi in self.sizes:
            if i <= upto and not poi:
                self.size = s
            elif i > upto or poi:
                keep.append([i, s, poi])
        self.sizes = keep

    def sync(self, upto):
        """successful fsync covering ids < upto. Poisoned segments are not written again (fsyncgate)."""
        if not any(p[4] for p in self.pend):
            self.promote(0, INF, upto)
        else:
            for i, off, data, ln, poi in list(self.pend):
                if i <= upto and not poi:     # a re-dirtied sector carries its older content along
                    self.promote(off // SECTOR * SECTOR, -(-(off + ln) // SECTOR) * SECTOR, i)
        self.promote_size(upto)

    def fail(self, upto):
        for p in self.pend:
            if p[0] <= upto:
                p[4] = True
        for p in self.sizes:
            if p[0] <= upto:
                p[2] = True



class Model:
    def __init__(self, tr, dirmodel="ext4", sfr_durable=False, fsyncgate=True, sector=512, drop_syncs=None):
        self.tr, self.dirmodel, self.sfr, self.gate, self.sector = tr, dirmodel, sfr_durable, fsyncgate, sector
        self.dropped = drop_syncs.split(":", 1) if drop_syncs else None
        self.files = {}
        for uid, rel in tr.base_file.items():
            self.files[uid] = FileState(Path(tr.path, "base", rel).read_bytes())
        self.dtree = {k: dict(v) for k, v in tr.base_tree.items()}
        self.dpend = []
        self.i = 0
        self.cut = 0

    def fs(self, uid):
        if uid not in self.files:
            self.files[uid] = FileState()
        return self.files[uid]

    # ---- directory tree
    def dir_apply(self, tree, op):
        d = op.dop
        if d[0] == "add":
            tree.setdefault(d[1], {})[d[2]] = d[3]
            if d[3] in self.tr.isdir:
                tree.setdefault(d[3], {})
        elif d[0] == "del":
            tree.get(d[1], {}).pop(d[2], None)
        else:
            _, sd, sn, dd, dn, u = d
            if tree.get(sd, {}).get(sn) == u:
                tree[sd].pop(sn)
            tree.setdefault(dd, {})[dn] = u

    def dir_promote(self, upto, only=None):
        keep = []
        for op in self.dpend:
            touch = only is None or op.dop[1] == only or (op.dop[0] == "mv" and op.dop[3] == only)
            if op.x <= upto and touch:
                self.dir_apply(self.dtree, op)
            else:
                keep.append(op)
        self.dpend = keep

    def is_dropped(self, op):
        """whether the model pretends that the program never made this sync (a negative control)"""
        if not self.dropped or op.uid == "*":
            return False
        kind, path = self.dropped
        return op.name == kind and fnmatch(self.tr.paths[op.uid], path)

    # ---- events
    def apply_data(self, f, op, tr):
        if op.kind == "w":
            f.pend.append([op.x, op.off, tr.blob(op.do, op.dl), op.dl, False])
            if op.off + op.dl > f.cur:
                f.cur = op.off + op.dl
                f.sizes.append([op.x, f.cur, False])
        elif op.kind == "t":
            if op.size < f.cur:
                f.pend.append([op.x, op.size, None, f.cur - op.size, False])
            f.cur = op.size
            f.sizes.append([op.x, f.cur, False])
        elif op.kind == "a":
            if op.fl & 0x12:                      # PUNCH_HOLE | ZERO_RANGE
                end = op.off + op.len if not op.fl & 1 else min(op.off + op.len, f.cur)
                if end > op.off:
                    f.pend.append([op.x, op.off, None, end - op.off, False])
            if not op.fl & 1 and op.off + op.len > f.cur:
                f.cur = op.off + op.len
                f.sizes.append([op.x, f.cur, False])

    def entry_of(self, uid, upto):
        return any(op.x <= upto and (op.dop[3] if op.dop[0] != "mv" else op.dop[5]) == uid for op in self.dpend)

    def sync_file(self, uid, upto):
        f = self.fs(uid)
        meta = any(s[0] <= upto for s in f.sizes)
        f.sync(upto)
        if self.dirmodel == "ext4" and (meta or self.entry_of(uid, upto)):
            self.dir_promote(upto)                # the journal commits in order

    def step(self, op):
        tr = self.tr
        if op.kind in "wta":
            f = self.fs(op.uid)
            self.apply_data(f, op, tr)
            if op.kind == "w" and op.dsync:
                s = self.sector
                f.promote(op.off // s * s, -(-(op.off + op.dl) // s) * s, op.x)
                f.promote_size(op.x)
                if self.dirmodel == "ext4":
                    self.dir_promote(op.x - 1) if self.entry_of(op.uid, op.x) else None
        elif op.kind == "d":
            self.dpend.append(op)
        elif op.kind == "s":
            if self.is_dropped(op):
                return
            upto = op.e - 1
            if not op.ok:
                if self.gate and op.uid != "*" and op.uid not in tr.isdir:
                    self.fs(op.uid).fail(upto)
                return
            if op.uid == "*":
                for f in self.files.values():
                    f.sync(upto)
                self.dir_promote(upto)
            elif op.name == "sync_file_range":
                if self.sfr and (op.fl or 0) & 6:
                    self.fs(op.uid).promote(op.off, op.off + op.len if op.len else INF, upto)
            elif op.uid in tr.isdir:
                self.dir_promote(upto, None if self.dirmodel == "ext4" else op.uid)
            else:
                self.sync_file(op.uid, upto)

    def advance(self, cut):
        ops = self.tr.ops
        while self.i < len(ops) and ops[self.i].x <= cut:
            self.step(ops[self.i])
            self.i += 1
        self.cut = cut

    def inflight(self):
        return [op for op in self.tr.ops[self.i:self.i + 64] if op.e <= self.cut < op.x and op.kind in "wtad"]

    # ---- one legal state
    def build(self, state, rng):
        """relpath -> bytes (file) or None (directory)"""
        tree = {k: dict(v) for k, v in self.dtree.items()}
        dp = list(self.dpend)
        fly = [] if state in ("synced", "all") else self.inflight()
        dp += [op for op in fly if op.kind == "d"]
        if state == "synced":
            dp = []
        elif state != "all":
            if self.dirmodel == "ext4":
                r = rng.random()
                k = len(dp) if r < 0.6 else 0 if r < 0.75 else rng.randint(0, len(dp))
                dp = dp[:k]
            else:
                keep = rng.choice((0.2, 0.5, 0.8, 1.0))
                dp = [op for op in dp if rng.random() < keep]
        for op in dp:
            self.dir_apply(tree, op)
        img = {}

        def walk(uid, rel):
            for name, u in sorted(tree.get(uid, {}).items()):
                p = f"{rel}/{name}" if rel else name
                if u in self.tr.isdir:
                    img[p] = None
                    walk(u, p)
                else:
                    img[p] = self.content(u, state, rng, [op for op in fly if op.uid == u])
        walk(self.tr.rootuid, "")
        return img

    def content(self, uid, state, rng, fly):
        f = self.files.get(uid)
        if f is None:
            f = FileState()
        if state == "synced" or (not f.pend and not f.sizes and not fly):
            b = bytearray(f.floor[:f.size])
            b.extend(b"\0" * (f.size - len(b)))
            return b
        segs = [(i, off, data, ln) for i, off, data, ln, _ in f.pend]
        sizes = [f.size] + [s for _, s, _ in f.sizes]
        if fly:
            g = FileState()
            g.cur = f.cur
            for op in fly:
                self.apply_data(g, op, self.tr)
            segs += [(i, off, data, ln) for i, off, data, ln, _ in g.pend]
            sizes += [s for _, s, _ in g.sizes]
        b = bytearray(f.floor)
        top = max([f.size] + sizes + [off + ln for _, off, _, ln in segs] + [len(b)])
        b.extend(b"\0" * (top - len(b)))
        if state == "all":
            for _, off, data, ln in segs:
                b[off:off + ln] = data if data is not None else b"\0" * ln
            del b[f.cur:]
            return b
        S = self.sector
        n = len(segs)
        size = rng.choice(sizes[-3:]) if rng.random() < 0.3 else sizes[-1]
        if state == "prefix":                       # in-order writeback, the last one torn
            k = rng.randint(0, n)
            ids = segs[k - 1][0] if k else 0
            for _, off, data, ln in segs[:k]:
                b[off:off + ln] = data if data is not None else b"\0" * ln
            if k < n:
                _, off, data, ln = segs[k]
                c = (off + rng.randint(0, ln)) // S * S - off
                if c > 0:
                    b[off:off + c] = data[:c] if data is not None else b"\0" * c
            nx = [s for i, s, _ in f.sizes if i <= ids]
            size = rng.choice([(nx or [f.size])[-1], sizes[-1]])
        else:
            floor_size = f.size
            if state == "drop":                     # whole writes survive or not, per-sector latest kept
                p = rng.choice((0.2, 0.5, 0.8, 0.95))
                kept = [rng.random() < p for _ in segs]
                pick = None
            elif state == "lastonly":               # newest writes reach the platter, the older do not
                m = rng.randint(1, max(1, min(3, n)))
                kept = [j >= n - m for j in range(n)]
                pick = None
            else:                                   # torn / garbage: every sector for itself
                kept = None
                pick = rng.choice((0.3, 0.5, 0.8, 0.95))
            ver = {}                                # sector -> index of its chosen version (-1: none)
            for j, (_, off, data, ln) in enumerate(segs):
                for s in range(off // S, -(-(off + ln) // S)):
                    if kept is not None:
                        if kept[j]:
                            ver[s] = j
                        else:
                            ver.setdefault(s, -1)
                    elif rng.random() < pick:
                        ver[s] = j
                    else:
                        ver.setdefault(s, -1)
            for j, (_, off, data, ln) in enumerate(segs):
                s, last = off // S, -(-(off + ln) // S)
                while s < last:                     # apply runs of sectors whose version includes this write
                    if ver[s] < j:
                        s += 1
                        continue
                    a = s
                    while s < last and ver[s] >= j:
                        s += 1
                    lo, hi = max(off, a * S), min(off + ln, s * S)
                    b[lo:hi] = data[lo - off:hi - off] if data is not None else b"\0" * (hi - lo)
            if state == "garbage":                  # size journaled before the data: stale blocks show
                for s, v in ver.items():
                    if v < 0 and s * S >= floor_size:
                        b[s * S:(s + 1) * S] = rng.randbytes(len(b[s * S:(s + 1) * S]))
        if len(b) < size:
            b.extend(b"\0" * (size - len(b)))
        del b[size:]
        return b
