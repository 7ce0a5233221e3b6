// Records the system calls by which a process writes files, or lets chosen ones fail: ptrace with a seccomp filter.
// Linux on x86_64. `crashlab` builds it: cc -O2 -o tracer tracer.c
//
// usage: tracer --root DIR --log FILE --data FILE [fault options] -- CMD ARGS...
//
// A seccomp filter makes only the interesting system calls stop, so the traced
// process runs at full speed elsewhere.  Unlike LD_PRELOAD this also sees raw
// syscalls (rustix, Go, static musl binaries) and can name io_uring and
// writable shared mmaps.  Data-modifying calls on tracked files are serialised
// so that the log is a total order.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef __x86_64__
#error "x86_64 only"
#endif
#ifndef __NR_openat2
#define __NR_openat2 437
#endif
#ifndef SYS_copy_file_range
#define SYS_copy_file_range 326
#endif

static char root[PATH_MAX];
static size_t rootlen;
static FILE *logf_, *dataf_;
static uint64_t dataoff, seq, nsys;
static struct stat out_st, err_st;
static pid_t mainpid;
static int main_status = 0, main_done = 0;

// fault options
static const char *f_op = NULL, *f_path = NULL;
static long f_nth = 0, f_count = 0;
static int f_errno = 0, f_sticky = 0, f_fired = 0;
static long f_short = -1;
// stop options
static long max_acks = 0, acks = 0;
static char ackprefix[64] = "ACK ";
static double timeout_s = 0;
static int warned_mmap = 0, warned_uring = 0, warned_aio = 0, warned_clone = 0;

static double now(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec + t.tv_nsec / 1e9; }

// ------------------------------------------------------------------ threads
typedef struct {
  pid_t tid;
  int used, insys, injected, serial;
  uint64_t enter;
  struct user_regs_struct regs;
  // saved at entry
  int op, tracked, stdio_, existed, sync_;
  char p1[PATH_MAX], p2[PATH_MAX];
  uint64_t fid_dev, fid_ino, fid2_dev, fid2_ino;
  char *buf; size_t len;
  uint64_t full_len;
} T;
static T *ths; static int nth_, cap_;
static T *get(pid_t tid) {
  for (int i = 0; i < nth_; i++) if (ths[i].used && ths[i].tid == tid) return &ths[i];
  for (int i = 0; i < nth_; i++) if (!ths[i].used) { memset(&ths[i], 0, sizeof(T)); ths[i].used = 1; ths[i].tid = tid; return &ths[i]; }
  if (nth_ == cap_) { fprintf(stderr, "crashlab: too many threads\n"); exit(99); }
  T *t = &ths[nth_++]; memset(t, 0, sizeof *t); t->used = 1; t->tid = tid; return t;
}
static pid_t busy = 0;            // tid owning the serial slot
static pid_t queue_[4096]; static int qn = 0;

// ------------------------------------------------------------------ helpers
static void jstr(const char *s) {
  fputc('"', logf_);
  for (; *s; s++) {
    unsigned char c = *s;
    if (c == '"' || c == '\\') { fputc('\\', logf_); fputc(c, logf_); }
    else if (c < 32 || c > 126) fprintf(logf_, "\\u%04x", c);   // latin-1 escape: bytes survive
    else fputc(c, logf_);
  }
  fputc('"', logf_);
}
static void ev_begin(const char *k, uint64_t e, pid_t tid) { fprintf(logf_, "{\"k\":\"%s\",\"e\":%llu,\"t\":%d", k, (unsigned long long)e, tid); }
static void ev_u(const char *k, uint64_t v) { fprintf(logf_, ",\"%s\":%llu", k, (unsigned long long)v); }
static void ev_i(const char *k, long long v) { fprintf(logf_, ",\"%s\":%lld", k, v); }
static void ev_s(const char *k, const char *v) { fprintf(logf_, ",\"%s\":", k); jstr(v); }
static void ev_fid(uint64_t d, uint64_t i) { fprintf(logf_, ",\"f\":\"%llx:%llu\"", (unsigned long long)d, (unsigned long long)i); }
static void ev_data(const void *b, size_t n) {
  fprintf(logf_, ",\"do\":%llu,\"dl\":%zu", (unsigned long long)dataoff, n);
  if (n) fwrite(b, 1, n, dataf_);
  dataoff += n;
}
static void ev_end(uint64_t x) { fprintf(logf_, ",\"x\":%llu}\n", (unsigned long long)x); }
static void warn_ev(pid_t tid, const char *msg) {
  ev_begin("warn", ++seq, tid); ev_s("msg", msg); ev_end(seq);
  fprintf(stderr, "crashlab: WARNING: %s\n", msg);
}

static size_t rd(pid_t tid, uint64_t addr, void *buf, size_t n) {
  size_t done = 0;
  while (done < n) {
    struct iovec l = {(char *)buf + done, n - done}, r = {(void *)(addr + done), n - done};
    ssize_t k = process_vm_readv(tid, &l, 1, &r, 1, 0);
    if (k <= 0) break;
    done += k;
  }
  return done;
}
static int rdstr(pid_t tid, uint64_t addr, char *buf, size_t n) {
  size_t done = 0;
  while (done + 1 < n) {
    size_t chunk = 4096 - ((addr + done) & 4095);
    if (chunk > n - 1 - done) chunk = n - 1 - done;
    size_t k = rd(tid, addr + done, buf + done, chunk);
    if (!k) break;
    char *z = memchr(buf + done, 0, k);
    if (z) return 1;
    done += k;
  }
  buf[done] = 0;
  return done > 0;
}
static int fdlink(pid_t tid, int fd, char *out) {
  char p[64]; snprintf(p, sizeof p, "/proc/%d/fd/%d", tid, fd);
  ssize_t k = readlink(p, out, PATH_MAX - 1);
  if (k < 0) { out[0] = 0; return 0; }
  out[k] = 0;
  if (k > 10 && !strcmp(out + k - 10, " (deleted)")) out[k - 10] = 0;
  return 1;
}
static int fdstat(pid_t tid, int fd, struct stat *st) {
  char p[64]; snprintf(p, sizeof p, "/proc/%d/fd/%d", tid, fd);
  return stat(p, st) == 0;
}
static void fdinfo(pid_t tid, int fd, int64_t *pos, int *flags) {
  char p[64], line[256]; snprintf(p, sizeof p, "/proc/%d/fdinfo/%d", tid, fd);
  *pos = -1; *flags = 0;
  FILE *f = fopen(p, "r"); if (!f) return;
  while (fgets(line, sizeof line, f)) {
    long long v; unsigned o;
    if (sscanf(line, "pos: %lld", &v) == 1) *pos = v;
    if (sscanf(line, "flags: %o", &o) == 1) *flags = (int)o;
  }
  fclose(f);
}
static int inroot(const char *p) { return !strncmp(p, root, rootlen) && (p[rootlen] == '/' || p[rootlen] == 0); }
// absolute path with parent symlinks resolved
static void respath(pid_t tid, int dirfd, uint64_t uaddr, char *out) {
  char rel[PATH_MAX], base[PATH_MAX], full[2 * PATH_MAX + 2];
  out[0] = 0;
  if (!uaddr || !rdstr(tid, uaddr, rel, sizeof rel)) rel[0] = 0;
  if (rel[0] == '/') snprintf(full, sizeof full, "%s", rel);
  else {
    if (dirfd == AT_FDCWD) {
      char p[64]; snprintf(p, sizeof p, "/proc/%d/cwd", tid);
      ssize_t k = readlink(p, base, sizeof base - 1); if (k < 0) k = 0; base[k] = 0;
    } else fdlink(tid, dirfd, base);
    snprintf(full, sizeof full, rel[0] ? "%s/%s" : "%s%s", base, rel);
  }
  size_t n = strlen(full);
  while (n > 1 && full[n - 1] == '/') full[--n] = 0;
  char *sl = strrchr(full, '/');
  if (!sl) return;
  char last[PATH_MAX]; snprintf(last, sizeof last, "%s", sl + 1);
  if (!strcmp(last, ".") || !strcmp(last, "..") || !last[0]) { char *r = realpath(full, NULL); if (r) { snprintf(out, PATH_MAX, "%s", r); free(r); } return; }
  *sl = 0;
  char *r = realpath(sl == full ? "/" : full, NULL);
  if (!r) { snprintf(out, PATH_MAX, "%.2000s/%.2000s", full, last); return; }
  snprintf(out, PATH_MAX, "%s/%s", strcmp(r, "/") ? r : "", last);
  free(r);
}

// ------------------------------------------------------------------ ops
enum { OP_NONE, OP_WRITE, OP_SYNC, OP_OPEN, OP_RENAME, OP_UNLINK, OP_MKDIR, OP_LINK, OP_TRUNC, OP_FALLOC, OP_COPY, OP_MMAP, OP_URING, OP_AIO, OP_READ, OP_SYMLINK, OP_IOCTL };
static const char *opname(int op) {
  switch (op) { case OP_WRITE: case OP_COPY: return "write"; case OP_SYNC: return "fsync"; case OP_OPEN: return "open"; case OP_RENAME: return "rename";
    case OP_UNLINK: return "unlink"; case OP_MKDIR: return "mkdir"; case OP_LINK: return "link"; case OP_TRUNC: return "truncate"; case OP_FALLOC: return "fallocate"; case OP_READ: return "read"; }
  return "other";
}
static int classify(long nr) {
  switch (nr) {
    case SYS_write: case SYS_pwrite64: case SYS_writev: case SYS_pwritev: case SYS_pwritev2: return OP_WRITE;
    case SYS_fsync: case SYS_fdatasync: case SYS_sync_file_range: case SYS_sync: case SYS_syncfs: case SYS_msync: return OP_SYNC;
    case SYS_open: case SYS_openat: case __NR_openat2: case SYS_creat: return OP_OPEN;
    case SYS_rename: case SYS_renameat: case SYS_renameat2: return OP_RENAME;
    case SYS_unlink: case SYS_unlinkat: case SYS_rmdir: return OP_UNLINK;
    case SYS_mkdir: case SYS_mkdirat: return OP_MKDIR;
    case SYS_link: case SYS_linkat: return OP_LINK;
    case SYS_symlink: case SYS_symlinkat: return OP_SYMLINK;
    case SYS_ftruncate: case SYS_truncate: return OP_TRUNC;
    case SYS_fallocate: return OP_FALLOC;
    case SYS_copy_file_range: case SYS_sendfile: case SYS_splice: return OP_COPY;
    case SYS_mmap: return OP_MMAP;
    case 425: return OP_URING;           // io_uring_setup
    case SYS_io_submit: return OP_AIO;
    case SYS_read: case SYS_pread64: case SYS_readv: case SYS_preadv: return OP_READ;
    case SYS_ioctl: return OP_IOCTL;
  }
  return OP_NONE;
}
static void set_fid(T *t, const struct stat *st, int second) {
  if (second) { t->fid2_dev = st->st_dev; t->fid2_ino = st->st_ino; }
  else { t->fid_dev = st->st_dev; t->fid_ino = st->st_ino; }
}
static int track_fd(T *t, int fd) {
  struct stat st;
  if (!fdlink(t->tid, fd, t->p1) || !inroot(t->p1)) return 0;
  if (!fdstat(t->tid, fd, &st)) return 0;
  set_fid(t, &st, 0);
  return 1;
}
static void gather_iov(T *t, uint64_t iovp, uint64_t cnt) {
  if (cnt > 1024) cnt = 1024;
  struct iovec *v = calloc(cnt, sizeof *v);
  rd(t->tid, iovp, v, cnt * sizeof *v);
  size_t tot = 0; for (uint64_t i = 0; i < cnt; i++) tot += v[i].iov_len;
  t->buf = malloc(tot ? tot : 1); t->len = 0;
  for (uint64_t i = 0; i < cnt; i++) t->len += rd(t->tid, (uint64_t)v[i].iov_base, t->buf + t->len, v[i].iov_len);
  free(v);
}

static void resume(pid_t tid, int how, int sig) { ptrace(how, tid, 0, (void *)(long)sig); }

// Look at the call at its entry. Returns 1 when an exit stop is wanted.
static int entry(T *t) {
  struct user_regs_struct *r = &t->regs;
  long nr = r->orig_rax;
  int op = classify(nr);
  t->op = op; t->tracked = 0; t->stdio_ = 0; t->serial = 0; t->existed = 0; t->sync_ = 0; t->injected = 0;
  t->p1[0] = t->p2[0] = 0; t->fid_dev = t->fid_ino = t->fid2_dev = t->fid2_ino = 0;
  free(t->buf); t->buf = NULL; t->len = 0;
  struct stat st;
  int fd = (int)r->rdi;
  switch (op) {
    case OP_WRITE: {
      if (track_fd(t, fd)) { t->tracked = 1; t->serial = 1; }
      else if (fdstat(t->tid, fd, &st)) {
        if (st.st_dev == out_st.st_dev && st.st_ino == out_st.st_ino && (fd == 1 || st.st_ino != err_st.st_ino || st.st_dev != err_st.st_dev)) t->stdio_ = 1;
        else if (st.st_dev == err_st.st_dev && st.st_ino == err_st.st_ino) t->stdio_ = 2;
      }
      if (!t->tracked && !t->stdio_) return 0;
      if (nr == SYS_write || nr == SYS_pwrite64) { t->len = r->rdx; t->buf = malloc(t->len ? t->len : 1); t->len = rd(t->tid, r->rsi, t->buf, t->len); }
      else gather_iov(t, r->rsi, r->rdx);
      break;
    }
    case OP_READ: if (!track_fd(t, fd)) return 0; t->tracked = 1; break;
    case OP_SYNC:
      if (nr == SYS_sync) { t->tracked = 1; strcpy(t->p1, "*"); }
      else if (nr == SYS_syncfs) { if (!fdlink(t->tid, fd, t->p1)) return 0; strcpy(t->p1, "*"); t->tracked = 1; }
      else if (nr == SYS_msync) { if (!warned_mmap) return 0; strcpy(t->p1, "?"); t->tracked = 1; }
      else { if (!track_fd(t, fd)) return 0; t->tracked = 1; }
      break;
    case OP_OPEN: {
      int dfd = AT_FDCWD; uint64_t pa = r->rdi, fl = r->rsi;
      if (nr == SYS_openat) { dfd = (int)r->rdi; pa = r->rsi; fl = r->rdx; }
      else if (nr == SYS_creat) fl = O_CREAT | O_WRONLY | O_TRUNC;
      else if (nr == __NR_openat2) { dfd = (int)r->rdi; pa = r->rsi; uint64_t how[3] = {0}; rd(t->tid, r->rdx, how, 8); fl = how[0]; }
      if (!(fl & (O_CREAT | O_TRUNC)) && (fl & O_TMPFILE) != O_TMPFILE) return 0;
      respath(t->tid, dfd, pa, t->p1);
      if (lstat(t->p1, &st) == 0 && S_ISLNK(st.st_mode)) { char *q = realpath(t->p1, NULL); if (q) { snprintf(t->p1, PATH_MAX, "%s", q); free(q); } }
      if (!inroot(t->p1)) return 0;
      t->tracked = 1; t->sync_ = (int)fl;
      if (stat(t->p1, &st) == 0) { t->existed = 1; set_fid(t, &st, 0); if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)) return 0; }
      t->serial = 1;
      break;
    }
    case OP_RENAME:
      if (nr == SYS_rename) { respath(t->tid, AT_FDCWD, r->rdi, t->p1); respath(t->tid, AT_FDCWD, r->rsi, t->p2); }
      else { respath(t->tid, (int)r->rdi, r->rsi, t->p1); respath(t->tid, (int)r->rdx, r->r10, t->p2); if (nr == SYS_renameat2) t->sync_ = (int)r->r8; }
      if (!inroot(t->p1) && !inroot(t->p2)) return 0;
      if (lstat(t->p1, &st) == 0) set_fid(t, &st, 0);
      t->tracked = t->serial = 1; break;
    case OP_UNLINK: {
      int dfd = AT_FDCWD; uint64_t pa = r->rdi; t->sync_ = nr == SYS_rmdir;
      if (nr == SYS_unlinkat) { dfd = (int)r->rdi; pa = r->rsi; t->sync_ = (r->rdx & AT_REMOVEDIR) != 0; }
      respath(t->tid, dfd, pa, t->p1);
      if (!inroot(t->p1)) return 0;
      if (lstat(t->p1, &st) == 0) set_fid(t, &st, 0);
      t->tracked = t->serial = 1; break;
    }
    case OP_MKDIR:
      if (nr == SYS_mkdir) respath(t->tid, AT_FDCWD, r->rdi, t->p1); else respath(t->tid, (int)r->rdi, r->rsi, t->p1);
      if (!inroot(t->p1)) return 0;
      t->tracked = t->serial = 1; break;
    case OP_LINK:
      if (nr == SYS_link) { respath(t->tid, AT_FDCWD, r->rdi, t->p1); respath(t->tid, AT_FDCWD, r->rsi, t->p2); }
      else { respath(t->tid, (int)r->rdi, r->rsi, t->p1); respath(t->tid, (int)r->rdx, r->r10, t->p2); }
      if (!inroot(t->p2)) return 0;
      t->tracked = t->serial = 1; break;
    case OP_SYMLINK:
      if (nr == SYS_symlink) respath(t->tid, AT_FDCWD, r->rsi, t->p2); else respath(t->tid, (int)r->rsi, r->rdx, t->p2);
      if (inroot(t->p2)) warn_ev(t->tid, "symlink inside the tracked directory is not modelled");
      return 0;
    case OP_TRUNC:
      if (nr == SYS_ftruncate) { if (!track_fd(t, fd)) return 0; }
      else { respath(t->tid, AT_FDCWD, r->rdi, t->p1); if (!inroot(t->p1)) return 0; if (stat(t->p1, &st) == 0) set_fid(t, &st, 0); }
      t->tracked = t->serial = 1; break;
    case OP_FALLOC: if (!track_fd(t, fd)) return 0; t->tracked = t->serial = 1; break;
    case OP_COPY: {
      int ofd = nr == SYS_sendfile ? (int)r->rdi : (int)r->rdx;
      if (!track_fd(t, ofd)) return 0;
      t->tracked = t->serial = 1; break;
    }
    case OP_MMAP: {
      int mfd = (int)r->r8;
      if (mfd < 0 || !track_fd(t, mfd)) return 0;
      if (!warned_mmap++) { char m[PATH_MAX + 100]; snprintf(m, sizeof m, "writable shared mmap of %s: its stores are invisible to this harness", t->p1); warn_ev(t->tid, m); }
      return 0;
    }
    case OP_URING: if (!warned_uring++) warn_ev(t->tid, "io_uring_setup called: writes and fsyncs made through io_uring are invisible to this harness"); return 0;
    case OP_AIO: if (!warned_aio++) warn_ev(t->tid, "io_submit (libaio) called: its writes are invisible to this harness"); return 0;
    case OP_IOCTL: if (track_fd(t, fd) && !warned_clone++) warn_ev(t->tid, "FICLONE ioctl on a tracked file is not modelled"); return 0;
    default: return 0;
  }
  return 1;
}

// Linux reports a failed write-back once to each open file, not only to the one whose sync met it. So after a sync
// that was made to fail, the next sync of the same file through each other descriptor fails, too.
static uint64_t failed_dev, failed_ino; static int failed_fds[64], failed_n = 0;
static int failed_before(T *t) {
  int fd = (int)t->regs.rdi;
  if (!failed_n || t->op != OP_SYNC || t->fid_dev != failed_dev || t->fid_ino != failed_ino) return 0;
  for (int i = 0; i < failed_n; i++) if (failed_fds[i] == fd) return 0;
  if (failed_n < 64) failed_fds[failed_n++] = fd;
  return 1;
}
static void sync_failed(T *t) { failed_dev = t->fid_dev; failed_ino = t->fid_ino; failed_fds[0] = (int)t->regs.rdi; failed_n = 1; }

static int fault_wanted(T *t) {
  if (!f_op || !t->tracked) return 0;
  if (failed_before(t)) return 1;
  const char *o = opname(t->op);
  if (strcmp(f_op, "any") ? strcmp(f_op, o) : (t->op == OP_READ)) return 0;
  if (t->op == OP_SYNC && (t->regs.orig_rax == SYS_msync || t->regs.orig_rax == SYS_sync)) return 0;   // sync(2) cannot fail
  if (f_path && fnmatch(f_path, t->p1, 0)) return 0;
  f_count++;
  return f_sticky ? f_count >= f_nth : f_count == f_nth;
}

static void begin(T *t) {          // called with the thread stopped at the seccomp stop
  t->enter = ++seq;
  if (t->stdio_) {                 // an acknowledgement counts from its entry (strict)
    ev_begin(t->stdio_ == 1 ? "out" : "err", t->enter, t->tid); ev_data(t->buf, t->len); ev_end(t->enter);
    if (t->stdio_ == 1 && max_acks) {
      char *p = t->buf, *e = t->buf + t->len; size_t pl = strlen(ackprefix);
      while (p < e) { if ((size_t)(e - p) >= pl && !memcmp(p, ackprefix, pl)) acks++; p = memchr(p, '\n', e - p); if (!p) break; p++; }
    }
    t->insys = 0; free(t->buf); t->buf = NULL;
    resume(t->tid, PTRACE_CONT, 0);
    if (max_acks && acks >= max_acks) { ev_begin("killed", ++seq, t->tid); ev_end(seq); max_acks = 0; kill(mainpid, SIGKILL); }
    return;
  }
  if (fault_wanted(t)) {
    f_fired++;
    if (t->op == OP_SYNC && !failed_n && f_errno != EINTR) sync_failed(t);
    struct user_regs_struct r = t->regs;
    if (f_short >= 0 && t->op == OP_WRITE && (t->regs.orig_rax == SYS_write || t->regs.orig_rax == SYS_pwrite64)) {
      if ((uint64_t)f_short < r.rdx) { r.rdx = f_short; t->injected = 2; }
    } else { r.orig_rax = -1; t->injected = 1; }
    ptrace(PTRACE_SETREGS, t->tid, 0, &r);
    ev_begin("fault", ++seq, t->tid); ev_s("op", opname(t->op)); ev_s("p", t->p1); ev_i("nth", f_count); ev_i("errno", f_errno); ev_end(seq);
  }
  if (t->serial) busy = t->tid;
  t->insys = 1;
  resume(t->tid, PTRACE_SYSCALL, 0);
}

static void finish(T *t) {         // exit stop
  struct user_regs_struct r;
  ptrace(PTRACE_GETREGS, t->tid, 0, &r);
  if (t->injected == 1) { r.rax = -(long)f_errno; ptrace(PTRACE_SETREGS, t->tid, 0, &r); }
  if (t->injected == 2) { r.rdx = t->regs.rdx; ptrace(PTRACE_SETREGS, t->tid, 0, &r); }
  long ret = (long)r.rax; uint64_t x = ++seq; long nr = t->regs.orig_rax;
  int fd = (int)t->regs.rdi; struct stat st; int64_t pos; int fl;
  nsys++;
  if (ret < 0 && t->op != OP_SYNC) goto done;
  switch (t->op) {
    case OP_WRITE: {
      fdinfo(t->tid, fd, &pos, &fl);
      uint64_t off = (nr == SYS_pwrite64 || nr == SYS_pwritev || nr == SYS_pwritev2) ? t->regs.r10 : (uint64_t)(pos - ret);
      if (nr == SYS_pwritev2 && (int64_t)t->regs.r10 == -1) off = pos - ret;
      if ((fl & O_APPEND) && nr == SYS_pwrite64) { if (fdstat(t->tid, fd, &st)) off = st.st_size - ret; }
      int sy = 0;
      if (fl & O_DSYNC) sy = 1;
      if (nr == SYS_pwritev2 && (t->regs.r9 & 6)) sy = 1;     // RWF_DSYNC=2, RWF_SYNC=4
      ev_begin("w", t->enter, t->tid); ev_fid(t->fid_dev, t->fid_ino); ev_s("p", t->p1); ev_u("off", off);
      if (sy) ev_i("dsync", 1);
      ev_data(t->buf, (size_t)ret <= t->len ? (size_t)ret : t->len); ev_end(x);
      break;
    }
    case OP_COPY: {
      int ofd = nr == SYS_sendfile ? fd : (int)t->regs.rdx;
      fdinfo(t->tid, ofd, &pos, &fl);
      uint64_t off = pos - ret;
      if (nr == SYS_copy_file_range && t->regs.r10) { uint64_t o2 = 0; rd(t->tid, t->regs.r10, &o2, 8); off = o2 - ret; }
      if (nr == SYS_splice && t->regs.r10) { uint64_t o2 = 0; rd(t->tid, t->regs.r10, &o2, 8); off = o2 - ret; }
      char p[64]; snprintf(p, sizeof p, "/proc/%d/fd/%d", t->tid, ofd);
      int f = open(p, O_RDONLY); char *b = malloc(ret ? ret : 1); ssize_t got = f >= 0 ? pread(f, b, ret, off) : 0; if (f >= 0) close(f);
      ev_begin("w", t->enter, t->tid); ev_fid(t->fid_dev, t->fid_ino); ev_s("p", t->p1); ev_u("off", off); ev_data(b, got > 0 ? got : 0); ev_end(x);
      free(b); break;
    }
    case OP_SYNC: {
      const char *k = nr == SYS_fsync ? "fsync" : nr == SYS_fdatasync ? "fdatasync" : nr == SYS_sync_file_range ? "sync_file_range" : nr == SYS_sync ? "sync" : nr == SYS_syncfs ? "syncfs" : "msync";
      ev_begin("s", t->enter, t->tid); ev_s("kind", k); ev_fid(t->fid_dev, t->fid_ino); ev_s("p", t->p1); ev_i("ret", ret);
      if (nr == SYS_sync_file_range) { ev_u("off", t->regs.rsi); ev_u("len", t->regs.rdx); ev_u("fl", t->regs.r10); }
      if (t->injected) ev_i("inj", 1);
      ev_end(x); break;
    }
    case OP_OPEN: {
      int nfd = (int)ret;
      if (!fdstat(t->tid, nfd, &st)) break;
      if ((t->sync_ & O_TMPFILE) == O_TMPFILE) { ev_begin("tmpfile", t->enter, t->tid); ev_fid(st.st_dev, st.st_ino); ev_end(x); break; }
      if (!t->existed) { ev_begin("create", t->enter, t->tid); ev_fid(st.st_dev, st.st_ino); ev_s("p", t->p1); ev_end(x); }
      else if (t->sync_ & O_TRUNC) { ev_begin("trunc", t->enter, t->tid); ev_fid(st.st_dev, st.st_ino); ev_s("p", t->p1); ev_u("size", 0); ev_end(x); }
      break;
    }
    case OP_RENAME: ev_begin("rename", t->enter, t->tid); ev_fid(t->fid_dev, t->fid_ino); ev_s("p", t->p1); ev_s("p2", t->p2); ev_i("fl", t->sync_); ev_end(x); break;
    case OP_UNLINK: ev_begin(t->sync_ ? "rmdir" : "unlink", t->enter, t->tid); ev_fid(t->fid_dev, t->fid_ino); ev_s("p", t->p1); ev_end(x); break;
    case OP_MKDIR: if (stat(t->p1, &st) == 0) { ev_begin("mkdir", t->enter, t->tid); ev_fid(st.st_dev, st.st_ino); ev_s("p", t->p1); ev_end(x); } break;
    case OP_LINK: if (lstat(t->p2, &st) == 0) { ev_begin("link", t->enter, t->tid); ev_fid(st.st_dev, st.st_ino); ev_s("p", t->p2); ev_end(x); } break;
    case OP_TRUNC: ev_begin("trunc", t->enter, t->tid); ev_fid(t->fid_dev, t->fid_ino); ev_s("p", t->p1); ev_u("size", t->regs.rsi); ev_end(x); break;
    case OP_FALLOC: ev_begin("falloc", t->enter, t->tid); ev_fid(t->fid_dev, t->fid_ino); ev_s("p", t->p1); ev_u("mode", t->regs.rsi); ev_u("off", t->regs.rdx); ev_u("len", t->regs.r10); ev_end(x); break;
  }
done:
  free(t->buf); t->buf = NULL; t->insys = 0;
}

static void pump(void) {           // start the next queued serial call
  while (!busy && qn) {
    pid_t tid = queue_[0]; memmove(queue_, queue_ + 1, --qn * sizeof *queue_);
    T *t = get(tid);
    if (ptrace(PTRACE_GETREGS, tid, 0, &t->regs) < 0) continue;
    if (!entry(t)) { resume(tid, PTRACE_CONT, 0); continue; }
    begin(t);
  }
}
static void gone(pid_t tid) {
  for (int i = 0; i < nth_; i++) if (ths[i].used && ths[i].tid == tid) { free(ths[i].buf); ths[i].buf = NULL; ths[i].used = 0; }
  for (int i = 0; i < qn; i++) if (queue_[i] == tid) { memmove(queue_ + i, queue_ + i + 1, (--qn - i) * sizeof *queue_); i--; }
  if (busy == tid) { busy = 0; pump(); }
}

// ------------------------------------------------------------------ seccomp
#define LD(off) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (off))
#define NR_OFF offsetof(struct seccomp_data, nr)
#define ARG(n) (offsetof(struct seccomp_data, args) + 8 * (n))
static void install_filter(int want_read) {
  struct sock_filter f[256]; int n = 0;
#define E(...) f[n++] = (struct sock_filter)__VA_ARGS__
#define TRACE E(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE))
#define ALLOW E(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW))
  E(LD(offsetof(struct seccomp_data, arch)));
  E(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0)); ALLOW;
  E(LD(NR_OFF));
  // mmap: only PROT_WRITE and MAP_SHARED
  E(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mmap, 0, 6));
  E(LD(ARG(2))); E(BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, PROT_WRITE, 0, 3));
  E(LD(ARG(3))); E(BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, MAP_SHARED, 0, 1)); TRACE; ALLOW;
  // open/openat: only O_CREAT|O_TRUNC|O_TMPFILE
  E(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat, 0, 4));
  E(LD(ARG(2))); E(BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, O_CREAT | O_TRUNC | (O_TMPFILE & ~O_DIRECTORY), 0, 1)); TRACE; ALLOW;
  E(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_open, 0, 4));
  E(LD(ARG(1))); E(BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, O_CREAT | O_TRUNC | (O_TMPFILE & ~O_DIRECTORY), 0, 1)); TRACE; ALLOW;
  // ioctl: only FICLONE / FICLONERANGE
  E(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_ioctl, 0, 5));
  E(LD(ARG(1))); E(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x40049409, 1, 0)); E(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x4020940D, 0, 1)); TRACE; ALLOW;
  static const int list[] = {SYS_write, SYS_pwrite64, SYS_writev, SYS_pwritev, SYS_pwritev2, SYS_fsync, SYS_fdatasync, SYS_sync_file_range, SYS_sync, SYS_syncfs, SYS_msync,
    __NR_openat2, SYS_creat, SYS_rename, SYS_renameat, SYS_renameat2, SYS_unlink, SYS_unlinkat, SYS_rmdir, SYS_mkdir, SYS_mkdirat, SYS_link, SYS_linkat, SYS_symlink, SYS_symlinkat,
    SYS_ftruncate, SYS_truncate, SYS_fallocate, SYS_copy_file_range, SYS_sendfile, SYS_splice, 425, SYS_io_submit};
  static const int rlist[] = {SYS_read, SYS_pread64, SYS_readv, SYS_preadv};
  for (size_t i = 0; i < sizeof list / sizeof *list; i++) { E(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, list[i], 0, 1)); TRACE; }
  if (want_read) for (size_t i = 0; i < 4; i++) { E(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, rlist[i], 0, 1)); TRACE; }
  ALLOW;
  struct sock_fprog p = {(unsigned short)n, f};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &p)) { perror("crashlab: seccomp"); _exit(98); }
}

static volatile sig_atomic_t alarm_hit = 0;
static void on_alarm(int s) { (void)s; alarm_hit = 1; kill(mainpid, SIGKILL); }

int main(int argc, char **argv) {
  const char *logp = NULL, *datap = NULL; int i = 1;
  for (; i < argc; i++) {
    if (!strcmp(argv[i], "--")) { i++; break; }
#define OPT(n) (!strcmp(argv[i], n) && i + 1 < argc)
    if (OPT("--root")) { if (!realpath(argv[++i], root)) { perror("root"); return 97; } }
    else if (OPT("--log")) logp = argv[++i];
    else if (OPT("--data")) datap = argv[++i];
    else if (OPT("--op")) f_op = argv[++i];
    else if (OPT("--nth")) f_nth = atol(argv[++i]);
    else if (OPT("--errno")) f_errno = atoi(argv[++i]);
    else if (OPT("--short")) f_short = atol(argv[++i]);
    else if (OPT("--path")) f_path = argv[++i];
    else if (!strcmp(argv[i], "--sticky")) f_sticky = 1;
    else if (OPT("--max-acks")) max_acks = atol(argv[++i]);
    else if (OPT("--ack-prefix")) snprintf(ackprefix, sizeof ackprefix, "%s", argv[++i]);
    else if (OPT("--timeout")) timeout_s = atof(argv[++i]);
    else { fprintf(stderr, "tracer: bad option %s\n", argv[i]); return 97; }
  }
  if (!rootlen) rootlen = strlen(root);
  if (!rootlen || !logp || !datap || i >= argc) { fprintf(stderr, "usage: tracer --root D --log F --data F -- CMD\n"); return 97; }
  logf_ = fopen(logp, "w"); dataf_ = fopen(datap, "w");
  if (!logf_ || !dataf_) { perror("log"); return 97; }
  setvbuf(logf_, NULL, _IOFBF, 1 << 20); setvbuf(dataf_, NULL, _IOFBF, 1 << 20);
  fstat(1, &out_st); fstat(2, &err_st);
  cap_ = 4096; ths = mmap(NULL, cap_ * sizeof(T), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  double t0 = now();
  mainpid = fork();
  if (!mainpid) {
    fclose(logf_); fclose(dataf_);
    ptrace(PTRACE_TRACEME, 0, 0, 0);
    raise(SIGSTOP);
    install_filter(f_op && !strcmp(f_op, "read"));
    execvp(argv[i], argv + i);
    fprintf(stderr, "crashlab: cannot run %s: %s\n", argv[i], strerror(errno)); _exit(127);
  }
  int st; waitpid(mainpid, &st, 0);
  ptrace(PTRACE_SETOPTIONS, mainpid, 0, PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACEEXEC | PTRACE_O_TRACESECCOMP | PTRACE_O_EXITKILL);
  get(mainpid); resume(mainpid, PTRACE_CONT, 0);
  if (timeout_s > 0) { struct sigaction sa = {.sa_handler = on_alarm}; sigaction(SIGALRM, &sa, NULL); alarm((unsigned)(timeout_s + 0.999)); }
  for (;;) {
    pid_t p = waitpid(-1, &st, __WALL);
    if (p < 0) { if (errno == EINTR) continue; break; }
    if (WIFEXITED(st) || WIFSIGNALED(st)) { if (p == mainpid) { main_status = st; main_done = 1; } gone(p); continue; }
    if (!WIFSTOPPED(st)) continue;
    int sig = WSTOPSIG(st), ev = st >> 16; T *t = get(p);
    if (ev == PTRACE_EVENT_SECCOMP) {
      ptrace(PTRACE_GETREGS, p, 0, &t->regs);
      t->insys = 0;
      if (!entry(t)) { resume(p, PTRACE_CONT, 0); continue; }
      if (t->serial && busy) { queue_[qn++] = p; continue; }   // wait for the slot
      begin(t);
    } else if (sig == (SIGTRAP | 0x80)) {
      if (t->insys) finish(t);
      if (busy == p) { busy = 0; }
      resume(p, PTRACE_CONT, 0);
      pump();
    } else if (ev == PTRACE_EVENT_EXEC) { t->insys = 0; if (busy == p) busy = 0; resume(p, PTRACE_CONT, 0); pump(); }
    else if (ev == PTRACE_EVENT_CLONE || ev == PTRACE_EVENT_FORK || ev == PTRACE_EVENT_VFORK) resume(p, PTRACE_CONT, 0);
    else if (sig == SIGSTOP || sig == SIGTRAP) resume(p, PTRACE_CONT, 0);
    else resume(p, t->insys ? PTRACE_SYSCALL : PTRACE_CONT, sig);
  }
  ev_begin("end", ++seq, mainpid);
  ev_i("exited", WIFEXITED(main_status) ? WEXITSTATUS(main_status) : -1);
  ev_i("signal", WIFSIGNALED(main_status) ? WTERMSIG(main_status) : 0);
  ev_i("timeout", alarm_hit); ev_i("faults", f_fired); ev_i("fault_candidates", f_count);
  fprintf(logf_, ",\"secs\":%.3f,\"traced\":%llu", now() - t0, (unsigned long long)nsys);
  ev_end(seq);
  fclose(logf_); fclose(dataf_);
  return WIFEXITED(main_status) ? WEXITSTATUS(main_status) : 128 + WTERMSIG(main_status);
}
