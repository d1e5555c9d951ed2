use crate::VirtualDisk;
use crate::nodes::{Body, ROOT};
use crate::process::Process;
use std::cell::RefCell;
use std::rc::Rc;

/// What a power cut destroys of unsynced data. A file system may do any of these, and mix them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PowerCut {
    /// Everything: names and contents.
    LoseAll,
    /// Contents only: a new name for an empty file.
    LoseContents,
    /// Names only: renamed or new files have their old name, or none.
    LoseNames,
    /// Nothing: everything was written just in time.
    LoseNothing,
}

impl PowerCut {
    /// Every kind, for tests that try all.
    pub const ALL: [Self; 4] = [Self::LoseAll, Self::LoseContents, Self::LoseNames, Self::LoseNothing];
}

impl VirtualDisk {
    /// Makes everything durable, as the kernel does some seconds after a write.
    pub fn write_back(&self) {
        let disk = &mut *self.disk.borrow_mut();
        let nodes: Vec<u64> = disk.nodes.keys().copied().collect();
        for number in nodes {
            let Some(node) = disk.nodes.get_mut(&number) else { continue };
            match &mut node.body {
                Body::File { data, durable, .. } => *durable = Some(Rc::clone(data)),
                Body::Folder { names, durable } => {
                    let now = names.clone();
                    let before = std::mem::replace(durable, now.clone());
                    now.into_values().for_each(|inner| disk.hold(inner));
                    before.into_values().for_each(|inner| disk.let_go(inner));
                }
                Body::Link { .. } | Body::Fifo => {}
            }
        }
    }

    /// The disk after a power cut now, seen by its first process. This disk itself is unaffected, so that the same moment can be tried with
    /// every kind of loss; [`kill`](Self::kill) its processes before dropping them.
    #[must_use]
    pub fn power_cut(&self, cut: PowerCut) -> Self {
        let mut disk = self.disk.borrow().clone();
        let lose_names = matches!(cut, PowerCut::LoseAll | PowerCut::LoseNames);
        let lose_contents = matches!(cut, PowerCut::LoseAll | PowerCut::LoseContents);
        for node in disk.nodes.values_mut() {
            match &mut node.body {
                Body::Folder { names, durable } => {
                    if lose_names {
                        names.clone_from(durable);
                    } else {
                        durable.clone_from(names);
                    }
                }
                Body::File { data, durable, reserved } => {
                    if lose_contents {
                        *data = durable.clone().unwrap_or_default();
                    }
                    *durable = Some(Rc::clone(data));
                    *reserved = 0;
                }
                Body::Link { .. } | Body::Fifo => {}
            }
            node.uses = 0;
        }
        // Recounted: every process is gone, and with it every open file.
        let mut reached = vec![ROOT];
        disk.node_mut(ROOT).uses = 1;
        while let Some(folder) = reached.pop() {
            let Body::Folder { names, durable } = &disk.node(folder).body else { continue };
            let uses: Vec<u64> = names.values().chain(durable.values()).copied().collect();
            for node in uses {
                let node_uses = &mut disk.node_mut(node).uses;
                *node_uses += 1;
                if *node_uses == 1 {
                    reached.push(node);
                }
            }
        }
        disk.nodes.retain(|_, node| node.uses > 0);
        Self { disk: Rc::new(RefCell::new(disk)), process: Process::new(self.process.user.get()) }
    }
}
