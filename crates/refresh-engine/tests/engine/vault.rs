//! A grant in a store of our own, and a client that still had its token.

use crate::world::{HOUR, Life, SECOND, STORE, World, key};
use claude_store::EntryKey;
use compact::Set;
use refresh_engine::RefreshedHow;

const VAULT: &str = "/home/u/.vault";
const VAULT_STORE: &str = "/home/u/.vault/.credentials.json";

/// The grant has moved into the vault; the client's entry is empty.
async fn moved() -> (World, Life) {
    let mut world = World::with_entries(&[("lab", HOUR)]);
    world.disk.put_folder(VAULT);
    world.disk.put(VAULT_STORE, world.text());
    (world.copies, world.vault) = (vec![VAULT], Some(VAULT));
    let stub = world.entry_with("lab", "", "", HOUR).replace(r#""refreshToken":"","#, "");
    world.put_members(&[format!("{:?}:{stub}", key("lab"))]);
    let life = world.live().await;
    life.keeper.disregard(Set::from([EntryKey::new(key("lab"))]));
    life.pass(SECOND).await;
    (world, life)
}

fn vaulted(world: &World) -> String {
    let text = world.disk.text(VAULT_STORE).unwrap().replace("1e400", "0");
    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
    document["mcpOAuth"][key("lab")]["refreshToken"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test(start_paused = true)]
async fn its_token_is_not_presented_once_a_client_has_saved_the_one_it_got_for_it() {
    let (world, life) = moved().await;
    let (access, refresh) = world.server.refresh_as_client(&vaulted(&world)).unwrap();
    let entry = world.entry_with("lab", &access, &refresh, HOUR);
    world.put_members(&[format!("{:?}:{entry}", key("lab"))]);
    // Nobody has looked at the client's store yet.
    let ends = life.run(life.copies[0].refresh(&["lab".to_owned()], true)).await;
    assert!(matches!(&ends[0].how, RefreshedHow::Failed(why) if why.contains("newer tokens")), "{ends:?}");
    assert_eq!((world.server.requests(), world.server.reuses.get()), (0, 0));
    // Whoever moves grants is told.
    life.run(life.keeper.something_returned()).await;
    life.notice().await;
    assert_eq!(life.keeper.returned(), Set::from([EntryKey::new(key("lab"))]));
    assert!(world.server.is_good(&refresh));
}

#[tokio::test(start_paused = true)]
async fn what_a_client_writes_back_of_before_does_not_hold_it_up() {
    let (world, life) = moved().await;
    let names = ["lab".to_owned()];
    let before = vaulted(&world);
    for requests in 1..=2 {
        // The same token, and then one that is known to be spent.
        let entry = world.entry_with("lab", "at_old", &before, HOUR);
        world.put_members(&[format!("{:?}:{entry}", key("lab"))]);
        let ends = life.run(life.copies[0].refresh(&names, true)).await;
        assert!(matches!(ends[0].how, RefreshedHow::Fresh), "{ends:?}");
        assert_eq!((world.server.requests(), world.server.reuses.get()), (requests, 0));
    }
    assert!(world.server.is_good(&vaulted(&world)) && world.disk.text(STORE).is_some());
}
