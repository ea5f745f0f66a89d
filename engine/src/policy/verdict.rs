use std::fmt;

/// What a policy says about a call, from the mildest to the strictest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    Allow,
    Hold,
    Block,
}

impl Verdict {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Hold => "hold",
            Self::Block => "block",
        }
    }

    /// The verdict of that name; anything but the three is none.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Allow, Self::Hold, Self::Block].into_iter().find(|verdict| verdict.as_str() == name)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where a decision comes from. A document has one of the last three; `Member` is an overlay for one person or group
/// inside a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Layer {
    Member,
    Agent,
    Group,
    Floor,
}

impl Layer {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Member => "member",
            Self::Agent => "agent",
            Self::Group => "group",
            Self::Floor => "floor",
        }
    }

    pub fn of_document(name: &str) -> Option<Self> {
        [Self::Agent, Self::Group, Self::Floor].into_iter().find(|layer| layer.as_str() == name)
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
