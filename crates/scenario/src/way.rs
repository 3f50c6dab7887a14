//! The ways a scenario is run.

/// A way of running a scenario; the results must be the same in all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Topics of one partition; the records of a block arrive together.
    One,
    /// Topics of several partitions; record by record.
    Many,
    /// The engine is killed after every record and statement, and opened again.
    Restore,
    /// Statements and queries go through a server, over HTTP.
    Server,
}

impl Way {
    /// All ways in their order.
    pub const ALL: [Way; 4] = [Way::One, Way::Many, Way::Restore, Way::Server];

    /// Its name in files and reports.
    pub fn name(self) -> &'static str {
        match self {
            Way::One => "one",
            Way::Many => "many",
            Way::Restore => "restore",
            Way::Server => "server",
        }
    }

    /// Partitions of a topic made without a number.
    pub(crate) fn partitions(self) -> u32 {
        if self == Way::Many { 3 } else { 1 }
    }
}

/// A set of ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ways(u8);

impl Ways {
    /// All four.
    pub const ALL: Ways = Ways(0b1111);

    /// Only this one.
    pub fn only(way: Way) -> Self {
        Self(1 << way as u8)
    }

    /// Reads `one, restore`; the error is the name that is none.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut ways = Self(0);
        for name in text.split(',').map(str::trim) {
            match Way::ALL.into_iter().find(|w| w.name() == name) {
                Some(way) => ways.0 |= Self::only(way).0,
                None if name == "all" => ways = Self::ALL,
                None => return Err(name.to_owned()),
            }
        }
        Ok(ways)
    }

    /// Whether the way is among them.
    pub fn has(self, way: Way) -> bool {
        self.0 & Self::only(way).0 != 0
    }

    /// Those in both.
    pub fn and(self, other: Ways) -> Self {
        Self(self.0 & other.0)
    }
}
