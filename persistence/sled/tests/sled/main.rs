//! The store on disk, and everything that is tested on it: damage, killed processes, backup,
//! archive, compaction, verification and the tables of views.

mod archive;
mod archive_files;
mod backup;
mod backup_archive;
mod backup_damage;
mod bit_flips;
mod child;
#[path = "../../../tests/common/mod.rs"]
mod common;
mod compact;
mod contract;
mod contract_small_runs;
mod damaged_pages;
mod guards;
mod histories;
mod notes;
mod personal;
mod transfer;
mod verify;
mod views;
mod views_files;
mod views_model;
mod views_order;
