//! Random logs with deletions, archives, forgets, restarts and pacing: views, a subscription and a saga come to the result
//! of a fold in memory that knows nothing of time.

mod fold;
mod life;
mod world;

use fold::Fold;
use life::Life;

/// A sequence of numbers that only depends on its seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        (self.0 >> 33) % end
    }
}

const JARS: [&str; 4] = ["a", "b", "c", "d"];

/// Takes random steps, then compares everything that follows the log with the fold.
async fn lives(seed: u64, steps: u64) -> Fold {
    let (mut dice, mut fold) = (Dice(seed), Fold::default());
    let place = life::Place::new();
    let mut life = Life::begin(&place).await;
    for _ in 0..steps {
        let jar = JARS[dice.below(4) as usize];
        match dice.below(24) {
            0..10 => fold.put(&life, jar, 1 + dice.below(3), dice.below(100) as i64).await,
            10..13 => fold.own(&life, jar).await,
            13 => fold.delete_after_all(&life, jar).await,
            14 => fold.delete_at_once(&life, jar).await,
            15 => life.archive(jar).await,
            16 => fold.forget(&life, &place, dice.below(8)).await,
            17 | 18 => life.pause(dice.below(5)),
            19 | 20 => life.resume(dice.below(5)),
            21 => life.catch_up().await,
            22 => life = life.restart(&place).await,
            _ => life = life.kill(&place).await,
        }
    }
    life.settle().await;
    fold.check(&life, &place, seed).await;
    life = life.restart(&place).await;
    life.settle().await;
    fold.check(&life, &place, seed).await;
    fold
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_followers_come_to_the_same_result_as_a_fold_that_knows_nothing_of_time() {
    let mut seen = fold::Seen::default();
    for seed in 0..12 {
        seen += lives(seed, 60).await.seen();
    }
    assert!(seen.is_everything(), "{seen:?}");
}

/// The same for longer: some minutes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes; TESTING.md says when to run it"]
async fn many_long_logs_give_the_same_result_too() {
    for seed in 1_000..1_200 {
        lives(seed, 200).await;
    }
}
