use std::collections::VecDeque;

/// Generations that a grant remembers singly; a token older than these is long spent: a server that is slow for an hour and gives half an hour of
/// grace is asked dozens of times with one token.
const REMEMBERED: usize = 64;

/// Who presents a refresh token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Actor {
    Daemon,
    Client {
        /// Why nobody could have spared it this request; `None` where the daemon had every chance to be first.
        entitled: Option<Entitled>,
    },
}

/// Why a client may refresh by itself although a daemon runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Entitled {
    /// The whole life of the token lies inside the client's window: it refreshes at every use.
    ShortLife,
    /// Machine, network, endpoint, disk or daemon were out of order until just now.
    JustBack,
    /// Nobody had been expected at this time, and the token had been let end.
    Unexpected,
    /// The entry's expiry is wrong: it was written while the machine's clock was.
    WrongClock,
    /// The old access token died with a rotation, and the session that used it had not been quiet for a minute.
    NeverQuiet,
}

/// How the answer to a rotation fared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Passage {
    /// On its way; it stays so for good where the process that asked died meanwhile.
    OnItsWay,
    Delivered,
    /// The wire took it, and whoever asked knew of that then.
    Lost {
        at: u64,
    },
    /// The server spent the token and refused the request all the same.
    Withheld,
}

/// One rotation: who asked, and what became of the answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rotation {
    pub(crate) generation: u32,
    pub(crate) at: u64,
    pub(crate) by: Actor,
    /// The client that got it has written it into the store.
    pub(crate) saved: bool,
    pub(crate) passage: Passage,
    /// A power cut came before the answer was in the store.
    pub(crate) cut_short: bool,
}

/// Why a grant is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The server revoked it.
    Revoked,
    /// Its refresh token lay unused for too long.
    Lapsed { from: u64, at: u64 },
    /// A spent refresh token was presented.
    Reused { by: Actor, generation: u32, at: u64 },
}

/// What a person consented to once.
pub(crate) struct Grant {
    pub(crate) given: u64,
    pub(crate) generation: u32,
    /// When each of the last generations was spent, oldest first.
    spent: VecDeque<(u32, u64)>,
    pub(crate) rotations: VecDeque<Rotation>,
    pub(crate) used: u64,
    /// Number of the newest access token.
    pub(crate) access: u32,
    pub(crate) end: Option<End>,
    /// The server refused a request for its shape.
    pub(crate) refused: bool,
    /// The store lost it in a power cut that took a client's unsynced write.
    pub(crate) cut_away: bool,
}

impl Grant {
    pub(crate) fn new(at: u64) -> Self {
        Self {
            given: at,
            generation: 0,
            spent: VecDeque::new(),
            rotations: VecDeque::new(),
            used: at,
            access: 0,
            end: None,
            refused: false,
            cut_away: false,
        }
    }

    /// When this generation was spent; the beginning of time where nobody remembers.
    pub(crate) fn spent_at(&self, generation: u32) -> u64 {
        self.spent.iter().find(|(known, _)| *known == generation).map_or(0, |(_, at)| *at)
    }

    pub(crate) fn rotate(&mut self, at: u64, by: Actor) {
        self.spent.push_back((self.generation, at));
        self.generation += 1;
        let passage = Passage::OnItsWay;
        let rotation =
            Rotation { generation: self.generation, at, by, saved: false, passage, cut_short: false };
        self.rotations.push_back(rotation);
        if self.spent.len() > REMEMBERED {
            self.spent.pop_front();
        }
        if self.rotations.len() > REMEMBERED {
            self.rotations.pop_front();
        }
    }

    pub(crate) fn rotation_mut(&mut self, generation: u32) -> Option<&mut Rotation> {
        self.rotations.iter_mut().rev().find(|rotation| rotation.generation == generation)
    }

    /// When the token was spent whose successors nobody got hold of.
    pub(crate) fn unheard_since(&self) -> Option<u64> {
        let unheard = |rotation: &&Rotation| rotation.passage != Passage::Delivered;
        self.rotations.iter().rev().take_while(unheard).last().map(|rotation| rotation.at)
    }

    /// The rotation that made the newest refresh token; `None` where it is the one of the login.
    pub(crate) fn newest(&self) -> Option<&Rotation> {
        self.rotations.back()
    }
}
