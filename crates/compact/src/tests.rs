use super::*;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use tokio::task::LocalSet;

#[derive(Clone, Debug)]
enum Step {
    Insert(u8, u8),
    Remove(u8),
    OrInsert(u8, u8),
    Extend(Vec<(u8, u8)>),
    Retain(u8),
}

fn step() -> impl Strategy<Value = Step> {
    let key = 0_u8..12;
    prop_oneof![
        (key.clone(), any::<u8>()).prop_map(|(key, value)| Step::Insert(key, value)),
        key.clone().prop_map(Step::Remove),
        (key.clone(), any::<u8>()).prop_map(|(key, value)| Step::OrInsert(key, value)),
        prop::collection::vec((key.clone(), any::<u8>()), 0..6).prop_map(Step::Extend),
        key.prop_map(Step::Retain),
    ]
}

proptest! {
    #[test]
    fn the_order_is_that_of_the_standard_library(list in prop::collection::vec((0_u8..9, any::<u8>()), 0..60)) {
        let (mut ours, mut theirs) = (list.clone(), list);
        ours.arrange_by_key(|(first, _)| *first);
        theirs.sort_by_key(|(first, _)| *first);
        prop_assert_eq!(&ours, &theirs, "equal ones keep their order");
        ours.arrange();
        theirs.sort();
        prop_assert_eq!(ours, theirs);
    }

    #[test]
    fn a_map_and_a_set_do_what_those_of_the_standard_library_do(steps in prop::collection::vec(step(), 0..40)) {
        let (mut map, mut theirs) = (Map::new(), BTreeMap::new());
        let (mut set, mut others) = (Set::new(), BTreeSet::new());
        for step in steps {
            match step {
                Step::Insert(key, value) => {
                    prop_assert_eq!(map.insert(key, value), theirs.insert(key, value));
                    prop_assert_eq!(set.insert(key), others.insert(key));
                }
                Step::Remove(key) => {
                    prop_assert_eq!(map.remove(&key), theirs.remove(&key));
                    prop_assert_eq!(set.remove(&key), others.remove(&key));
                }
                Step::OrInsert(key, value) => {
                    prop_assert_eq!(map.entry(key).or_insert(value), theirs.entry(key).or_insert(value));
                }
                Step::Extend(entries) => {
                    set.extend(entries.iter().map(|(key, _)| *key));
                    others.extend(entries.iter().map(|(key, _)| *key));
                    map.extend(entries.clone());
                    theirs.extend(entries);
                }
                Step::Retain(least) => {
                    map.retain(|key, _| *key >= least);
                    theirs.retain(|key, _| *key >= least);
                    set.retain(|key| *key >= least);
                    others.retain(|key| *key >= least);
                }
            }
            prop_assert!(map.iter().eq(&theirs) && map.keys().eq(theirs.keys()) && map.values().eq(theirs.values()));
            prop_assert!(set.iter().eq(&others));
            prop_assert_eq!((map.len(), map.is_empty()), (theirs.len(), theirs.is_empty()));
            prop_assert_eq!((set.len(), set.is_empty()), (others.len(), others.is_empty()));
            for key in 0..12 {
                prop_assert_eq!(map.get(&key), theirs.get(&key));
                prop_assert_eq!((map.contains_key(&key), set.contains(&key)), (theirs.contains_key(&key), others.contains(&key)));
            }
            prop_assert_eq!(format!("{map:?} {set:?}"), format!("{theirs:?} {others:?}"));
            prop_assert_eq!(&theirs.clone().into_iter().rev().collect::<Map<_, _>>(), &map);
        }
        prop_assert!(map.clone().into_values().eq(theirs.values().copied()) && map.into_iter().eq(theirs));
        prop_assert!(set.into_iter().eq(others));
    }

    #[test]
    fn json_is_that_of_the_standard_library(entries in prop::collection::vec(("[a-c]{0,2}", any::<u8>()), 0..9)) {
        let theirs: BTreeMap<String, u8> = entries.iter().cloned().collect();
        let ours: Map<String, u8> = entries.iter().cloned().collect();
        let text = serde_json::to_string(&ours).unwrap();
        prop_assert_eq!(&text, &serde_json::to_string(&theirs).unwrap());
        prop_assert_eq!(serde_json::from_str::<Map<String, u8>>(&text).unwrap(), ours);
        let names: Set<String> = entries.iter().map(|(name, _)| name.clone()).collect();
        let text = serde_json::to_string(&names).unwrap();
        prop_assert_eq!(&text, &serde_json::to_string(&theirs.keys().collect::<Vec<_>>()).unwrap());
        prop_assert_eq!(serde_json::from_str::<Set<String>>(&text).unwrap(), names);
    }
}

#[test]
fn of_a_key_twice_in_json_the_last_counts() {
    let map: Map<String, u8> = serde_json::from_str(r#"{"b":1,"a":2,"b":3}"#).unwrap();
    assert_eq!(map, Map::from([("a".to_owned(), 2), ("b".to_owned(), 3)]));
}

#[test]
fn a_task_ends_with_its_result() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let shared = Rc::new(7);
    let result = LocalSet::new().block_on(&runtime, async move { spawn_local(async move { *shared }).await });
    assert_eq!(result.unwrap(), 7);
}
