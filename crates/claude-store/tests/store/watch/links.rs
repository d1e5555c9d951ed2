//! Real links, which on Windows need a right of their own to be made.

use super::*;
use std::os::unix::fs::symlink;

#[test]
fn behind_a_link_the_target_is_watched_and_the_link_too() {
    run(async {
        let place = place();
        fs::create_dir_all(&place.storage).unwrap();
        let data = place.storage.with_file_name("data");
        fs::create_dir(&data).unwrap();
        fs::write(data.join("one"), "1").unwrap();
        symlink("../data/one", place.folder.credentials_path()).unwrap();
        let mut watch = FolderWatch::new(&place.folder).unwrap();
        write_by_rename(&data.join("one"), "2");
        reported(&mut watch).await;
        unreported(&mut watch, || fs::write(data.join("two"), "x").unwrap()).await;
        fs::remove_file(place.folder.credentials_path()).unwrap();
        symlink("../data/two", place.folder.credentials_path()).unwrap();
        reported(&mut watch).await;
        fs::write(data.join("two"), "3").unwrap();
        reported(&mut watch).await;
    });
}

#[test]
fn a_dangling_link_is_watched_until_its_target_appears() {
    run(async {
        let place = place();
        fs::create_dir_all(&place.storage).unwrap();
        let data = place.storage.with_file_name("data");
        symlink(data.join("file"), place.folder.credentials_path()).unwrap();
        let mut watch = FolderWatch::new(&place.folder).unwrap();
        fs::create_dir(&data).unwrap();
        reported(&mut watch).await;
        fs::write(data.join("file"), "{}").unwrap();
        reported(&mut watch).await;
    });
}

#[test]
fn a_storage_folder_that_is_a_link_is_followed_to_a_new_target() {
    run(async {
        let place = place();
        let (one, two) = (place.storage.with_file_name("one"), place.storage.with_file_name("two"));
        fs::create_dir_all(&one).unwrap();
        fs::create_dir_all(&two).unwrap();
        symlink(&one, &place.storage).unwrap();
        let mut watch = FolderWatch::new(&place.folder).unwrap();
        fs::write(one.join(".credentials.json"), "1").unwrap();
        reported(&mut watch).await;
        fs::remove_file(&place.storage).unwrap();
        symlink(&two, &place.storage).unwrap();
        reported(&mut watch).await;
        fs::write(two.join(".credentials.json"), "2").unwrap();
        reported(&mut watch).await;
    });
}
