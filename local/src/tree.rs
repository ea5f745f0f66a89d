//! A tree as text.

/// A line and what is below it.
#[derive(Debug, Default, PartialEq)]
pub struct Tree {
    line: String,
    below: Vec<Self>,
}

impl Tree {
    pub fn new(line: impl Into<String>) -> Self {
        Self { line: line.into(), below: Vec::new() }
    }

    pub fn with(mut self, below: impl IntoIterator<Item = Self>) -> Self {
        self.below.extend(below);
        self
    }

    /// The tree with its branches drawn.
    pub fn text(&self) -> String {
        let mut text = format!("{}\n", self.line);
        self.draw(&mut text, "");
        text
    }

    fn draw(&self, text: &mut String, indent: &str) {
        for (position, tree) in self.below.iter().enumerate() {
            let is_last = position + 1 == self.below.len();
            let (branch, below) = if is_last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
            text.push_str(&format!("{indent}{branch}{}\n", tree.line));
            tree.draw(text, &format!("{indent}{below}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_branches() {
        let tree = Tree::new("a").with([Tree::new("b").with([Tree::new("c")]), Tree::new("d").with([Tree::new("e")])]);
        assert_eq!(tree.text(), "a\n├─ b\n│  └─ c\n└─ d\n   └─ e\n");
    }
}
