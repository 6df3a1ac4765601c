//! Who serves, and who may ask.

use std::collections::BTreeMap;

use crate::txn::Backend;

/// A backend. That the frontend takes it for alive and that it is are two things.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackendNode {
    pub id: Backend,
    pub host: String,
    pub http_port: u16,
    /// What the frontend believes: it redirects to those alone.
    pub alive: bool,
    /// Whether its process runs.
    pub running: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrontendNode {
    pub host: String,
    pub http_port: u16,
    pub query_port: u16,
}

#[derive(Debug, Clone)]
pub struct Nodes {
    pub backends: Vec<BackendNode>,
    pub frontends: Vec<FrontendNode>,
    /// The place of the leader among the frontends.
    pub leader: usize,
    /// Where the round robin stands.
    turn: usize,
}

/// Names and passwords.
#[derive(Debug, Clone, Default)]
pub struct Users(BTreeMap<String, String>);

const HOST: &str = "127.0.0.1";

impl Nodes {
    /// Ports are unknown until somebody listens.
    pub(super) fn new(backends: u32, frontends: u32) -> Self {
        let backend = |number| BackendNode {
            id: Backend(10_001 + number),
            host: HOST.to_owned(),
            http_port: 0,
            alive: true,
            running: true,
        };
        let frontend = |_| FrontendNode { host: HOST.to_owned(), http_port: 0, query_port: 0 };
        Self {
            backends: (0..backends).map(backend).collect(),
            frontends: (0..frontends).map(frontend).collect(),
            leader: 0,
            turn: 0,
        }
    }

    #[must_use]
    pub fn backend(&self, id: Backend) -> Option<&BackendNode> {
        self.backends.iter().find(|node| node.id == id)
    }

    pub fn backend_mut(&mut self, id: Backend) -> Option<&mut BackendNode> {
        self.backends.iter_mut().find(|node| node.id == id)
    }

    #[must_use]
    pub fn leader(&self) -> Option<&FrontendNode> {
        self.frontends.get(self.leader)
    }

    /// The next in turn of those that are taken for alive.
    pub fn choose(&mut self) -> Option<BackendNode> {
        let alive: Vec<&BackendNode> = self.backends.iter().filter(|node| node.alive).collect();
        let chosen = alive.get(self.turn.checked_rem(alive.len())?).map(|node| (*node).clone());
        self.turn = self.turn.wrapping_add(1);
        chosen
    }
}

impl Users {
    pub fn put(&mut self, user: &str, password: &str) {
        self.0.insert(user.to_owned(), password.to_owned());
    }

    /// For a port that does not see the password in clear.
    #[must_use]
    pub fn password(&self, user: &str) -> Option<&str> {
        self.0.get(user).map(String::as_str)
    }

    #[must_use]
    pub fn admit(&self, user: &str, password: &str) -> bool {
        self.password(user) == Some(password)
    }
}
