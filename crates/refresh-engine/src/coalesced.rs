//! Callers that want the same thing at the same time share one run: one read, one write, one fsync.

use std::cell::RefCell;
use std::rc::Rc;
use tokio::sync::{Mutex, MutexGuard, oneshot};

/// Questions that are answered together. A run answers only those asked before it started; later ones wait for the
/// next one.
///
/// One of the waiting callers runs for all. A question stays in the queue until it is answered, so a caller dropped in the
/// middle of its run costs the others nothing: the next one runs for them.
pub(crate) struct Coalesced<Q, A> {
    waiting: RefCell<Vec<(Rc<Q>, oneshot::Sender<A>)>>,
    turn: Mutex<()>,
}

impl<Q, A> Default for Coalesced<Q, A> {
    fn default() -> Self {
        Self { waiting: RefCell::default(), turn: Mutex::default() }
    }
}

impl<Q, A> Coalesced<Q, A> {
    /// The answer to this question. `run` takes what is [`waiting`](Self::waiting) and returns at least one answer: the first for the
    /// first question, and so on; questions without an answer wait for the next run. A run that yields first includes imminent questions.
    pub(crate) async fn ask(&self, question: Q, run: impl AsyncFn(&Self) -> Vec<A>) -> A {
        let (reply, mut answer) = oneshot::channel();
        self.waiting.borrow_mut().push((Rc::new(question), reply));
        loop {
            let _turn = tokio::select! {
                biased;
                // It cannot be lost: it is in the queue.
                Ok(answer) = &mut answer => return answer,
                turn = self.turn.lock() => turn,
            };
            let answers = run(self).await;
            let mut waiting = self.waiting.borrow_mut();
            let answered = answers.len().min(waiting.len());
            for ((_, reply), answer) in waiting.drain(..answered).zip(answers) {
                // Its caller may be gone.
                let _ = reply.send(answer);
            }
        }
    }

    /// The questions without an answer, in the order in which they were asked.
    pub(crate) fn waiting(&self) -> Vec<Rc<Q>> {
        self.waiting.borrow().iter().map(|(question, _)| Rc::clone(question)).collect()
    }

    /// Keeps runs from starting while the guard lives; `None` if one is in progress.
    pub(crate) fn pause(&self) -> Option<MutexGuard<'_, ()>> {
        self.turn.try_lock().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::time::Duration;

    const SECOND: Duration = Duration::from_secs(1);

    /// Answers every question by its double and the number of the run, which takes a second.
    #[derive(Default)]
    struct Doubler {
        questions: Coalesced<u32, (u32, u32)>,
        runs: Cell<u32>,
    }

    impl Doubler {
        async fn ask(&self, question: u32) -> (u32, u32) {
            let run = async |questions: &Coalesced<u32, (u32, u32)>| {
                tokio::task::yield_now().await;
                let waiting = questions.waiting();
                self.runs.set(self.runs.get() + 1);
                tokio::time::sleep(SECOND).await;
                waiting.iter().map(|question| (2 * **question, self.runs.get())).collect()
            };
            self.questions.ask(question, run).await
        }
    }

    #[tokio::test(start_paused = true)]
    async fn concurrent_callers_share_a_run_and_get_their_own_answers() {
        let doubler = Doubler::default();
        let all = tokio::join!(doubler.ask(1), doubler.ask(2), doubler.ask(3));
        assert_eq!(all, ((2, 1), (4, 1), (6, 1)));
        assert!(doubler.questions.waiting().is_empty());
        assert_eq!(doubler.ask(4).await, (8, 2), "nothing is kept for those who come later");
    }

    #[tokio::test(start_paused = true)]
    async fn a_run_in_progress_does_not_answer_later_callers() {
        let doubler = Doubler::default();
        let later = async |question| {
            tokio::time::sleep(SECOND / 2).await;
            doubler.ask(question).await
        };
        let all = tokio::join!(doubler.ask(1), later(2), later(3));
        assert_eq!(all, ((2, 1), (4, 2), (6, 2)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_dropped_during_its_run_costs_the_others_nothing() {
        let doubler = Doubler::default();
        let given_up = tokio::time::timeout(SECOND / 2, doubler.ask(1));
        let (given_up, other) = tokio::join!(given_up, doubler.ask(2));
        assert!(given_up.is_err());
        assert_eq!(other, (4, 2));
        assert!(doubler.questions.waiting().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn unanswered_questions_wait_for_the_next_run() {
        let questions = Coalesced::<u32, u32>::default();
        let one_by_one = async |questions: &Coalesced<u32, u32>| {
            tokio::time::sleep(SECOND).await;
            questions.waiting().first().map(|first| 2 * **first).into_iter().collect()
        };
        let all = tokio::join!(questions.ask(1, one_by_one), questions.ask(2, one_by_one));
        assert_eq!(all, (2, 4));
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_blocks_new_runs_and_waits_for_the_running_one() {
        let doubler = Doubler::default();
        let pause = doubler.questions.pause().expect("nothing runs");
        assert!(tokio::time::timeout(10 * SECOND, doubler.ask(1)).await.is_err());
        assert_eq!(doubler.runs.get(), 0);
        drop(pause);
        let during = async {
            tokio::time::sleep(SECOND / 2).await;
            doubler.questions.pause().is_none()
        };
        assert!(tokio::join!(doubler.ask(1), during).1);
    }
}
