//! The steps of a transfer without a runtime, a store or a clock: what is sent, what is undone, and
//! until when. Also the rules of its order.

use actuarius::Id;
use actuarius::saga::InstanceStatus;
use actuarius::testing::{SagaUnderTest, given, saga};
use bank::AccountCommand::{Deposit, Withdraw};
use bank::OrderCommand::{Finish, Place, Recall, Refuse};
use bank::{
    Account, Cents, OrderEvent, OrderRefused, Refused, Transfer, TransferOrder, TransferRequest,
    WITHDRAWAL_TIMEOUT,
};

const TEN: Cents = Cents(1_000);

fn alice() -> Id<Account> {
    Id::new("alice").unwrap()
}

fn bob() -> Id<Account> {
    Id::new("bob").unwrap()
}

fn order() -> Id<TransferOrder> {
    Id::new("t-1").unwrap()
}

fn wanted() -> TransferRequest {
    TransferRequest { from: alice(), to: bob(), amount: TEN }
}

fn withdrawing() -> SagaUnderTest<Transfer> {
    saga("t-1")
        .sends_to::<Account>()
        .sends_to::<TransferOrder>()
        .when_event::<TransferOrder>("t-1", OrderEvent::Placed(wanted()))
}

fn depositing() -> SagaUnderTest<Transfer> {
    withdrawing().when_accepted(&alice())
}

fn compensated(why: &str) -> InstanceStatus {
    InstanceStatus::Compensated { why: why.to_owned() }
}

#[test]
fn a_transfer_withdraws_then_deposits_then_finishes_the_order() {
    withdrawing()
        .then_sends(&alice(), Withdraw(TEN))
        .then_sends_nothing_more::<Account>()
        .then_waits_for(WITHDRAWAL_TIMEOUT)
        .when_accepted(&alice())
        .then_sends(&bob(), Deposit(TEN))
        .then_waits_for_no_deadline()
        .when_accepted(&bob())
        .then_sends(&order(), Finish)
        .when_accepted(&order())
        .then_completed();
}

#[test]
fn a_refused_withdrawal_leaves_nothing_to_undo() {
    let why = Refused::InsufficientFunds { balance: Cents(1), needed: TEN };
    withdrawing()
        .when_rejected(&alice(), why)
        .then_sends(&order(), Refuse(why.to_string()))
        .when_accepted(&order())
        .then_status(&InstanceStatus::Failed { why: why.to_string() });
}

#[test]
fn a_refused_deposit_returns_the_money_before_the_order_is_refused() {
    let why = Refused::Closed.to_string();
    depositing()
        .when_rejected(&bob(), Refused::Closed)
        .then_sends(&alice(), Deposit(TEN))
        .when_accepted(&alice())
        .then_sends(&order(), Refuse(why.clone()))
        .when_accepted(&order())
        .then_status(&compensated(&why));
}

#[test]
fn a_recalled_transfer_is_undone_once_the_pending_answer_is_known() {
    withdrawing()
        .when_event::<TransferOrder>("t-1", OrderEvent::Recalled)
        .then_sends_nothing_more::<Account>()
        .when_accepted(&alice())
        .then_sends(&alice(), Deposit(TEN))
        .when_accepted(&alice())
        .then_sends(&order(), Refuse("it was recalled".to_owned()))
        .when_accepted(&order())
        .then_status(&compensated("it was recalled"));
}

#[test]
fn a_withdrawal_that_does_not_answer_in_time_is_undone() {
    withdrawing()
        .when_time_passes(WITHDRAWAL_TIMEOUT)
        .when_accepted(&alice())
        .then_sends(&alice(), Deposit(TEN))
        .when_accepted(&alice())
        .when_accepted(&order())
        .then_status(&compensated("it took too long"));
}

#[test]
fn after_the_deposit_is_sent_only_its_answer_counts() {
    depositing()
        .when_event::<TransferOrder>("t-1", OrderEvent::Recalled)
        .when_cancelled("the bank is closing")
        .when_time_passes(WITHDRAWAL_TIMEOUT)
        .then_sends_nothing_more::<Account>()
        .when_accepted(&bob())
        .then_sends(&order(), Finish)
        .when_accepted(&order())
        .then_completed();
}

#[test]
fn a_recall_of_an_unknown_order_starts_nothing() {
    saga::<Transfer>("t-1")
        .when_event::<TransferOrder>("t-1", OrderEvent::Recalled)
        .then_ignored()
        .then_state(&Transfer::Unbegun);
}

#[test]
fn an_order_is_placed_once_and_settled_once() {
    let placed = || OrderEvent::Placed(wanted());
    given::<TransferOrder>([]).when(Place(wanted())).then([placed()]);
    given::<TransferOrder>([placed()])
        .when(Place(wanted()))
        .then_rejected(OrderRefused::AlreadyPlaced);
    for command in [Recall, Finish, Refuse(String::new())] {
        given::<TransferOrder>([]).when(command.clone()).then_rejected(OrderRefused::NotPlaced);
        given::<TransferOrder>([placed(), OrderEvent::Finished])
            .when(command)
            .then_rejected(OrderRefused::Settled);
    }
}

#[test]
fn a_recalled_order_can_still_end_either_way() {
    let recalled = [OrderEvent::Placed(wanted()), OrderEvent::Recalled];
    given::<TransferOrder>(recalled.clone()).when(Recall).then([]);
    given::<TransferOrder>(recalled.clone()).when(Finish).then([OrderEvent::Finished]);
    let why = "it was recalled".to_owned();
    given::<TransferOrder>(recalled).when(Refuse(why.clone())).then([OrderEvent::Refused(why)]);
}

#[test]
fn an_order_moves_something_from_one_account_to_another() {
    let to_self = TransferRequest { to: alice(), ..wanted() };
    given::<TransferOrder>([]).when(Place(to_self)).then_rejected(OrderRefused::SameAccount);
    for amount in [Cents::ZERO, Cents(-5)] {
        given::<TransferOrder>([])
            .when(Place(TransferRequest { amount, ..wanted() }))
            .then_rejected(OrderRefused::NotPositive(amount));
    }
}
