//! Packs a folder into one small file: a store written by a release, kept for the tests of later
//! ones.

use std::fs;
use std::path::Path;

/// Returns all files of a folder, each as `path length u32 | path | length u64 | bytes`,
/// compressed.
pub fn pack(folder: &Path) -> Vec<u8> {
    let mut out = Vec::new();
    put_folder(folder, folder, &mut out);
    lz4_flex::compress_prepend_size(&out)
}

fn put_folder(root: &Path, folder: &Path, out: &mut Vec<u8>) {
    let mut entries: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            put_folder(root, &path, out);
            continue;
        }
        let name = path.strip_prefix(root).unwrap().to_str().unwrap();
        let bytes = fs::read(&path).unwrap();
        out.extend_from_slice(&(name.len() as u32).to_le_bytes());
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
        out.extend_from_slice(&bytes);
    }
}

/// Restores the packed files below `folder`.
pub fn unpack(packed: &[u8], folder: &Path) {
    let all = lz4_flex::decompress_size_prepended(packed).unwrap();
    let mut rest = &all[..];
    while !rest.is_empty() {
        let length = u32::from_le_bytes(take(&mut rest, 4).try_into().unwrap());
        let name = std::str::from_utf8(take(&mut rest, length as usize)).unwrap();
        let path = folder.join(name);
        let length = u64::from_le_bytes(take(&mut rest, 8).try_into().unwrap());
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, take(&mut rest, usize::try_from(length).unwrap())).unwrap();
    }
}

fn take<'a>(bytes: &mut &'a [u8], count: usize) -> &'a [u8] {
    let (front, rest) = bytes.split_at(count);
    *bytes = rest;
    front
}
