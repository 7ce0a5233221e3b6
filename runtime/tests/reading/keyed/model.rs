//! A keyed view equals a fold over the log after any commands, stops, rebuilds and restarts.

use actuarius::Runtime;
use actuarius::projection::{Keyed, Rebuild, RebuildError};
use actuarius::store::sled;
use actuarius::store::views::Views;
use proptest::prelude::*;

use super::views::{Kept, Model, Sums, close, show_all, start_when_free, sums};
use crate::common::{Command, Ledger};

#[derive(Debug, Clone)]
enum Step {
    /// Amounts for a ledger, in one command.
    Add(u8, Vec<i64>),
    /// Waits until the view shows everything, and compares it with the model.
    Look,
    Stop,
    Restart,
    /// Drops the runtime while the view is at any position.
    Crash,
    Rebuild,
    /// Starts a rebuild, and continues this many turns later.
    BeginRebuild(u8),
}

fn step() -> impl Strategy<Value = Step> {
    let amount = prop_oneof![1 => Just(0), 4 => -9i64..9, 1 => any::<i32>().prop_map(i64::from)];
    let amounts = proptest::collection::vec(amount, 1..6);
    prop_oneof![
        16 => (0u8..5, amounts).prop_map(|(ledger, amounts)| Step::Add(ledger, amounts)),
        2 => Just(Step::Look),
        1 => Just(Step::Stop),
        1 => Just(Step::Restart),
        1 => Just(Step::Crash),
        1 => Just(Step::Rebuild),
        3 => (0u8..12).prop_map(Step::BeginRebuild),
    ]
}

struct World {
    kept: Kept,
    model: Model,
    runtime: Runtime,
    view: Keyed<Sums>,
    /// A rebuild that was started and not awaited.
    rebuild: Option<Rebuild>,
}

impl World {
    async fn on(views: Views) -> Self {
        let kept = Kept { views, ..Kept::in_memory() };
        let runtime = kept.open().await;
        let view = sums(&runtime).start().await.unwrap();
        Self { kept, model: Model::default(), runtime, view, rebuild: None }
    }

    async fn take(mut self, step: Step) -> Self {
        match step {
            Step::Add(ledger, amounts) => {
                let name = ledger.to_string();
                for &amount in &amounts {
                    self.model.add(&name, amount);
                }
                let add = Command::AddAll(amounts);
                self.runtime.host::<Ledger>().execute(name, add).await.unwrap();
                self
            }
            Step::Look => {
                self.look().await;
                self
            }
            Step::Rebuild => {
                self.end_rebuild(false).await;
                self.view.rebuild().await.unwrap();
                self
            }
            Step::BeginRebuild(turns) => {
                self.end_rebuild(false).await;
                self.rebuild = Some(self.view.rebuild());
                for _ in 0..turns {
                    tokio::task::yield_now().await;
                }
                self
            }
            Step::Stop => {
                self.view.stop().await;
                self.end_rebuild(true).await;
                let Self { kept, model, runtime, view, rebuild } = self;
                drop(view);
                let view = sums(&runtime).start().await.unwrap();
                Self { kept, model, runtime, view, rebuild }
            }
            Step::Restart => {
                let Self { kept, model, runtime, view, rebuild } = self;
                close(runtime, view).await;
                let mut again = Self { rebuild, ..Self::again(kept, model).await };
                again.end_rebuild(true).await;
                again
            }
            Step::Crash => {
                let Self { kept, model, runtime, view, rebuild } = self;
                drop((runtime, view, rebuild));
                Self::again(kept, model).await
            }
        }
    }

    async fn again(kept: Kept, model: Model) -> Self {
        let runtime = kept.open().await;
        let view = start_when_free(|| sums(&runtime)).await.unwrap();
        Self { kept, model, runtime, view, rebuild: None }
    }

    /// Waits until the last rebuild is over, if there is one.
    async fn end_rebuild(&mut self, may_be_stopped: bool) {
        let Some(rebuild) = self.rebuild.take() else { return };
        match rebuild.await {
            Ok(()) => {}
            Err(RebuildError::Stopped) if may_be_stopped => {}
            Err(error) => panic!("{error}"),
        }
    }

    async fn look(&self) {
        show_all(&self.runtime, &self.view).await;
        self.model.check(&self.view);
    }
}

fn run(views: Views, steps: Vec<Step>) {
    let threads = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    threads.block_on(async {
        let mut world = World::on(views).await;
        for step in steps {
            world = world.take(step).await;
        }
        world.look().await;
    });
}

fn cases(default: u32) -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|it| it.parse().ok());
    ProptestConfig::with_cases(cases.unwrap_or(default))
}

proptest! {
    #![proptest_config(cases(100))]

    #[test]
    fn a_view_is_a_fold_over_the_log(steps in proptest::collection::vec(step(), 1..60)) {
        run(Views::in_memory(), steps);
    }
}

proptest! {
    // Each restart opens files.
    #![proptest_config(cases(6))]

    #[test]
    fn a_view_on_disk_is_a_fold_over_the_log(steps in proptest::collection::vec(step(), 1..30)) {
        let directory = tempfile::tempdir().unwrap();
        run(sled::views(directory.path()), steps);
    }
}
