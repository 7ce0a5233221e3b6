//! The machine that runs the bench, as Linux describes it. Unknown facts are left empty.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// The kernel's ticks of processor time per second, equal on every Linux.
const TICKS_PER_SECOND: f64 = 100.0;

/// The facts on which figures depend, apart from the workload.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// The number of processors that the process may use.
    pub cores: usize,
    /// Their model.
    pub cpu: String,
    /// The file system and its device.
    pub disk: String,
    /// The operating system's kernel.
    pub kernel: String,
}

impl Machine {
    /// This machine, with the disk that holds `directory`.
    #[must_use]
    pub fn with_disk_of(directory: &Path) -> Self {
        Self {
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            cpu: cpu_model().unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
            disk: disk_of(directory).unwrap_or_else(|| "unknown".to_owned()),
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease")
                .map_or_else(|_| std::env::consts::OS.to_owned(), |text| text.trim().to_owned()),
        }
    }
}

fn cpu_model() -> Option<String> {
    let text = fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split(':').nth(1)?.trim().to_owned())
}

/// The mount with the longest path above the directory.
fn disk_of(directory: &Path) -> Option<String> {
    let directory = directory.canonicalize().ok()?;
    let mounts = fs::read_to_string("/proc/self/mounts").ok()?;
    let fields = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    let above = fields.filter(|mount| mount.len() > 2 && directory.starts_with(mount[1]));
    let mount = above.max_by_key(|mount| mount[1].len())?;
    Some(format!("{} on {}", mount[2], mount[0]))
}

/// The bytes of memory that the process uses.
#[must_use]
pub fn rss_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
}

/// The bytes of all files below `path`.
///
/// # Errors
/// The error of the operating system.
pub fn bytes_below(path: &Path) -> std::io::Result<u64> {
    let metadata = fs::metadata(path)?;
    if !metadata.is_dir() {
        return Ok(metadata.len());
    }
    fs::read_dir(path)?.map(|entry| bytes_below(&entry?.path())).sum()
}

/// Processor time used so far, in seconds, by this process and by all.
#[derive(Debug, Clone, Copy)]
pub struct Usage {
    own: f64,
    all: f64,
    at: Instant,
}

impl Usage {
    /// The processor time used until now.
    #[must_use]
    pub fn now() -> Self {
        let own = own_ticks().unwrap_or(0) as f64 / TICKS_PER_SECOND;
        let all = all_ticks().unwrap_or(0) as f64 / TICKS_PER_SECOND;
        Self { own, all, at: Instant::now() }
    }

    /// The numbers of processors that this process and others have kept busy since.
    #[must_use]
    pub fn since(&self) -> (f64, f64) {
        let now = Self::now();
        let seconds = now.at.duration_since(self.at).as_secs_f64().max(0.001);
        let own = (now.own - self.own) / seconds;
        (own, ((now.all - self.all) / seconds - own).max(0.0))
    }
}

fn own_ticks() -> Option<u64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The name before it is in brackets and may contain any character.
    let fields: Vec<_> = stat.rsplit(')').next()?.split_whitespace().collect();
    Some(fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?)
}

fn all_ticks() -> Option<u64> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    let fields: Vec<u64> =
        stat.lines().next()?.split_whitespace().skip(1).map_while(|it| it.parse().ok()).collect();
    // user, nice, system, idle, iowait, irq, softirq, …
    Some(fields.iter().take(3).sum::<u64>() + fields.iter().skip(5).take(2).sum::<u64>())
}

/// Waits until this process is almost idle, so that deferred work of one side does not slow down the other.
pub async fn quiet() {
    const CHECK_EVERY: Duration = Duration::from_millis(100);
    for _ in 0..100 {
        let before = Usage::now();
        tokio::time::sleep(CHECK_EVERY).await;
        if before.since().0 < 0.15 {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_described() {
        let machine = Machine::with_disk_of(Path::new("."));
        assert!(machine.cores > 0 && !machine.cpu.is_empty() && !machine.disk.is_empty());
    }

    #[test]
    fn bytes_of_all_files_are_counted() {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("inner")).unwrap();
        let empty = bytes_below(directory.path()).unwrap();
        fs::write(directory.path().join("inner/file"), [0; 1_000]).unwrap();
        assert_eq!(bytes_below(directory.path()).unwrap() - empty, 1_000);
    }
}
