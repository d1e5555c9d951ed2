use claude_store::{FileSystem, KeychainItem, SecurityCall, SecurityOutput, SecurityTool, ToolError};
use oauth_secret::SecretBytes;
use scripted_security::{Behaviour, Item, Model, overflow};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, SystemTime};
use virtual_disk::VirtualDisk;

/// What one run of the tool takes.
const USUAL: Duration = Duration::from_millis(20);

const SERVICE: &str = "Claude Code-credentials";
const ACCOUNT: &str = "u";

/// What is called with the arguments of each run, before it begins.
type OnCall = Box<dyn FnMut(&[String])>;

/// A Keychain in memory, shared by all lives.
#[derive(Clone, Default)]
pub(crate) struct VirtualKeychain {
    model: Rc<RefCell<Model>>,
    calls: Rc<RefCell<Vec<Vec<String>>>>,
    /// The process dies at this call of its tool, before or after the effect.
    kill_at: Rc<Cell<Option<(usize, Moment)>>>,
    on_call: Rc<RefCell<Option<OnCall>>>,
}

/// When in a call something happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    Before,
    After,
}

/// The tool as one life of the agent runs it.
#[derive(Clone)]
pub(crate) struct VirtualSecurity {
    keychain: VirtualKeychain,
    process: VirtualDisk,
}

#[allow(dead_code, reason = "a world on a file uses some of it only")]
impl VirtualKeychain {
    pub(crate) fn item() -> KeychainItem {
        KeychainItem::named(SERVICE, ACCOUNT)
    }

    pub(crate) fn tool(&self, process: &VirtualDisk) -> VirtualSecurity {
        VirtualSecurity { keychain: self.clone(), process: process.clone() }
    }

    pub(crate) fn put(&self, document: &[u8], at: SystemTime) {
        let mut model = self.model.borrow_mut();
        let seconds = seconds(at);
        let (service, account) = (SERVICE.to_owned(), ACCOUNT.to_owned());
        model.items =
            vec![Item { service, account, password: document.to_vec(), created: seconds, modified: seconds }];
    }

    /// The item is deleted.
    pub(crate) fn delete(&self) {
        self.model.borrow_mut().items.clear();
    }

    /// The document as the client reads it, be it in two items.
    pub(crate) fn text(&self) -> String {
        let main = self.main();
        let sealed = overflow::slot(&main).map(|slot| self.overflow(&slot)).unwrap_or_default();
        overflow::merged(&main, &sealed).unwrap_or(main)
    }

    /// What stands in the main item.
    pub(crate) fn main(&self) -> String {
        String::from_utf8(self.model.borrow().items[0].password.clone()).unwrap()
    }

    /// What stands in the overflow item of a slot; empty where there is none.
    pub(crate) fn overflow(&self, slot: &str) -> String {
        let model = self.model.borrow();
        let item = model.items.iter().find(|item| item.service == service_of(slot));
        item.map(|item| String::from_utf8(item.password.clone()).unwrap()).unwrap_or_default()
    }

    /// Puts these texts into the main item and the overflow item of a slot, as a client does that writes.
    pub(crate) fn put_two(&self, (main, sealed): (String, String), slot: &str, at: SystemTime) {
        self.put_overflow(slot, sealed, at);
        let mut model = self.model.borrow_mut();
        model.items[0].password = main.into_bytes();
        model.items[0].modified = seconds(at);
    }

    /// Puts a text into the overflow item of a slot.
    pub(crate) fn put_overflow(&self, slot: &str, sealed: String, at: SystemTime) {
        let mut model = self.model.borrow_mut();
        let (service, account, at) = (service_of(slot), ACCOUNT.to_owned(), seconds(at));
        model.items.retain(|item| item.service != service);
        model.items.push(Item { service, account, password: sealed.into_bytes(), created: at, modified: at });
    }

    /// Takes the overflow item of a slot away.
    pub(crate) fn remove_overflow(&self, slot: &str) {
        self.model.borrow_mut().items.retain(|item| item.service != service_of(slot));
    }

    pub(crate) fn remove(&self) {
        self.model.borrow_mut().items.clear();
    }

    pub(crate) fn items(&self) -> usize {
        self.model.borrow().items.len()
    }

    pub(crate) fn behave(&self, change: impl FnOnce(&mut Behaviour)) {
        change(&mut self.model.borrow_mut().behaviour);
    }

    /// The arguments of every run so far.
    pub(crate) fn calls(&self) -> Vec<Vec<String>> {
        self.calls.borrow().clone()
    }

    pub(crate) fn forget_calls(&self) {
        self.calls.borrow_mut().clear();
    }

    pub(crate) fn kill_at(&self, call: usize, moment: Moment) {
        self.kill_at.set(Some((call, moment)));
    }

    pub(crate) fn on_call(&self, hook: impl FnMut(&[String]) + 'static) {
        self.on_call.replace(Some(Box::new(hook)));
    }

    fn dies(&self, moment: Moment) -> bool {
        self.kill_at.get() == Some((self.calls.borrow().len(), moment))
    }
}

impl SecurityTool for VirtualSecurity {
    async fn run(&self, call: SecurityCall) -> Result<SecurityOutput, ToolError> {
        let Self { keychain, process } = self;
        let dead = || async { std::future::pending::<()>().await };
        if !process.is_alive() {
            dead().await;
        }
        keychain.calls.borrow_mut().push(call.arguments.to_vec());
        if let Some(hook) = keychain.on_call.borrow_mut().as_mut() {
            hook(&call.arguments);
        }
        if keychain.dies(Moment::Before) {
            process.kill();
            dead().await;
        }
        let Behaviour { hangs, delay, afterwards, .. } = keychain.model.borrow().behaviour.clone();
        if hangs && Model::asks(&call.arguments) || delay >= call.limit {
            tokio::time::sleep(call.limit).await;
            return Err(ToolError::NoAnswer);
        }
        tokio::time::sleep(USUAL + delay).await;
        let now = seconds(process.now());
        let answer = keychain.model.borrow_mut().run(&call.arguments, &call.input, now);
        if keychain.dies(Moment::After) {
            process.kill();
            dead().await;
        }
        if delay + afterwards >= call.limit {
            tokio::time::sleep(call.limit - delay).await;
            return Err(ToolError::NoAnswer);
        }
        tokio::time::sleep(afterwards).await;
        Ok(SecurityOutput { code: Some(answer.code), stdout: SecretBytes::from(answer.stdout) })
    }
}

fn service_of(slot: &str) -> String {
    format!("{SERVICE}-overflow-{slot}")
}

fn seconds(at: SystemTime) -> i64 {
    i64::try_from(at.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()).unwrap()
}
