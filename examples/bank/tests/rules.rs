//! Every rule of an account, without a runtime, a store or a clock.

use actuarius::testing::given;
use bank::AccountCommand::{Close, Deposit, Open, Withdraw};
use bank::AccountEvent::{Closed, Deposited, Opened, Withdrawn};
use bank::{Account, Cents, Refused, Status};

const TEN: Cents = Cents(1_000);
const SIX: Cents = Cents(600);
const FOUR: Cents = Cents(400);

#[test]
fn an_account_is_opened_once() {
    given::<Account>([]).when(Open).then([Opened]);
    given::<Account>([Opened]).when(Open).then_rejected(Refused::AlreadyOpen);
}

#[test]
fn deposits_and_withdrawals_add_up() {
    given::<Account>([Opened]).when(Deposit(TEN)).then([Deposited(TEN)]);
    given::<Account>([Opened, Deposited(TEN)])
        .when(Withdraw(SIX))
        .then([Withdrawn(SIX)])
        .then_state(&Account { status: Status::Open, balance: FOUR });
}

#[test]
fn the_last_cent_can_be_withdrawn_and_not_one_more() {
    given::<Account>([Opened, Deposited(TEN)]).when(Withdraw(TEN)).then([Withdrawn(TEN)]);
    given::<Account>([Opened, Deposited(SIX)])
        .when(Withdraw(TEN))
        .then_rejected(Refused::InsufficientFunds { balance: SIX, needed: TEN });
}

#[test]
fn only_positive_amounts_are_moved() {
    for amount in [Cents::ZERO, Cents(-1), Cents(i64::MIN)] {
        let refused = Refused::NotPositive(amount);
        given::<Account>([Opened]).when(Deposit(amount)).then_rejected(refused);
        given::<Account>([Opened]).when(Withdraw(amount)).then_rejected(refused);
    }
}

#[test]
fn a_balance_that_cannot_be_counted_is_refused() {
    let most = Cents(i64::MAX);
    given::<Account>([Opened]).when(Deposit(most)).then([Deposited(most)]);
    given::<Account>([Opened, Deposited(most)])
        .when(Deposit(Cents(1)))
        .then_rejected(Refused::TooMuch { balance: most, amount: Cents(1) });
}

#[test]
fn only_an_empty_account_is_closed() {
    given::<Account>([Opened]).when(Close).then([Closed]);
    given::<Account>([Opened, Deposited(TEN), Withdrawn(SIX)])
        .when(Close)
        .then_rejected(Refused::NotEmpty(FOUR));
}

#[test]
fn an_account_that_was_never_opened_does_nothing() {
    for command in [Deposit(TEN), Withdraw(TEN), Close] {
        given::<Account>([]).when(command).then_rejected(Refused::NotOpen);
    }
}

#[test]
fn a_closed_account_stays_closed() {
    for command in [Open, Deposit(TEN), Withdraw(TEN), Close] {
        given::<Account>([Opened, Closed]).when(command).then_rejected(Refused::Closed);
    }
}
