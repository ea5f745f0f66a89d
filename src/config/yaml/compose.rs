//! From the parser's events to the nodes of a document as they are written: scalars have no type yet, aliases refer to
//! what they repeat. What aliases repeat counts as if it were written out.

use std::rc::Rc;

use granit_parser::{ErrorKind, Event, Marker, Parser, ScalarStyle, ScanError, StrInput};

use super::scalar::{Scalar, Tag};
use super::{Malformed, Place};

/// A file of settings is small. What is larger, deeper, or grows when its aliases are followed, is refused.
const MAX_NODES: usize = 20_000;
const MAX_DEPTH: usize = 32;
const MAX_TEXT: usize = 64 * 1024 * 1024;

const UNKNOWN_ANCHOR: &str = "an alias of an unknown anchor";

pub(super) struct Written<'t> {
    pub place: Place,
    pub content: Content<'t>,
    size: Size,
}

pub(super) enum Content<'t> {
    Scalar(Scalar<'t>),
    List(Vec<Item<'t>>),
    /// Each key is followed by its value.
    Map(Vec<Item<'t>>),
}

/// What stands where a node is expected.
pub(super) enum Item<'t> {
    Node(Rc<Written<'t>>),
    Alias(Place, Rc<Written<'t>>),
    /// An alias of a node that it is a part of.
    Cycle(Place),
}

/// What a node amounts to, aliases followed.
#[derive(Clone, Copy, Default)]
struct Size {
    nodes: usize,
    /// The bytes of its scalars.
    text: usize,
    depth: usize,
}

/// A list or map whose end is not reached.
struct Open<'t> {
    place: Place,
    anchor: usize,
    is_map: bool,
    items: Vec<Item<'t>>,
    size: Size,
}

pub(super) struct Composer<'t> {
    parser: Parser<'t, StrInput<'t>>,
    place: Place,
    open: Vec<Open<'t>>,
    /// By the parser's numbers, which are from 1 on.
    anchors: Vec<Option<Rc<Written<'t>>>>,
    nodes: usize,
    text: usize,
}

impl<'t> Composer<'t> {
    pub fn new(text: &'t str) -> Self {
        let options = granit_parser::options! { emit_comments: false };
        Self {
            parser: Parser::new_from_str_with_options(text, options),
            place: Place::default(),
            open: Vec::new(),
            anchors: Vec::new(),
            nodes: 0,
            text: 0,
        }
    }

    /// The root of the first document, where there is one.
    pub fn root(&mut self) -> Result<Option<Item<'t>>, Malformed> {
        while let Some(event) = self.next_of_a_node()? {
            let item = match event {
                Event::Scalar(text, style, anchor, tag) => {
                    let tag = tag.map(|tag| Tag::of(&tag));
                    let scalar = Scalar { text, is_plain: style == ScalarStyle::Plain, tag };
                    self.scalar(scalar, anchor)?
                }
                Event::SequenceStart(_, anchor, tag) => {
                    self.start(false, anchor, tag.map(|tag| Tag::of(&tag)))?;
                    continue;
                }
                Event::MappingStart(_, anchor, tag) => {
                    self.start(true, anchor, tag.map(|tag| Tag::of(&tag)))?;
                    continue;
                }
                Event::Alias(anchor) => self.alias(anchor)?,
                _ => match self.open.pop() {
                    Some(ended) => self.end(ended),
                    None => return Err(Malformed::new("not valid YAML", self.place)),
                },
            };
            match self.open.last_mut() {
                Some(parent) => parent.add(item),
                None => return Ok(Some(item)),
            }
        }
        match self.open.is_empty() {
            true => Ok(None),
            false => Err(Malformed::new("unexpected end of the file", self.place)),
        }
    }

    /// Reads on behind the first document, where nothing may be.
    pub fn end_of_file(&mut self) -> Result<(), Malformed> {
        match self.next_of_a_node()? {
            Some(_) => Err(Malformed::new("more than one document", self.place)),
            None => Ok(()),
        }
    }

    /// Where the last event was.
    pub fn place(&self) -> Place {
        self.place
    }

    fn next_of_a_node(&mut self) -> Result<Option<Event<'t>>, Malformed> {
        while let Some(next) = self.parser.next_event() {
            let (event, span) = next.map_err(|error| malformed(&error))?;
            self.place = place(&span.start);
            if matches!(
                event,
                Event::Scalar(..)
                    | Event::SequenceStart(..)
                    | Event::SequenceEnd
                    | Event::MappingStart(..)
                    | Event::MappingEnd
                    | Event::Alias(_)
            ) {
                return Ok(Some(event));
            }
        }
        Ok(None)
    }

    fn scalar(&mut self, scalar: Scalar<'t>, anchor: usize) -> Result<Item<'t>, Malformed> {
        let size = Size { nodes: 1, text: scalar.text.len(), depth: 0 };
        self.count(size)?;
        self.check_tag(&scalar)?;
        Ok(self.node(anchor, Written { place: self.place, content: Content::Scalar(scalar), size }))
    }

    fn start(&mut self, is_map: bool, anchor: usize, tag: Option<Tag>) -> Result<(), Malformed> {
        let is_known = match tag {
            None | Some(Tag::Unspecific) => true,
            Some(Tag::Map) => is_map,
            Some(Tag::List) => !is_map,
            Some(_) => false,
        };
        if !is_known {
            return Err(self.unknown_tag());
        }
        let size = Size { nodes: 1, text: 0, depth: 1 };
        self.count(size)?;
        self.open.push(Open { place: self.place, anchor, is_map, items: Vec::new(), size });
        Ok(())
    }

    fn end(&mut self, ended: Open<'t>) -> Item<'t> {
        let content = if ended.is_map { Content::Map(ended.items) } else { Content::List(ended.items) };
        self.node(ended.anchor, Written { place: ended.place, content, size: ended.size })
    }

    fn alias(&mut self, anchor: usize) -> Result<Item<'t>, Malformed> {
        if self.open.iter().any(|open| open.anchor == anchor) {
            return Ok(Item::Cycle(self.place));
        }
        let Some(node) = self.anchors.get(anchor).cloned().flatten() else {
            return Err(Malformed::new(UNKNOWN_ANCHOR, self.place));
        };
        self.count(node.size)?;
        if let Content::Scalar(scalar) = &node.content {
            self.check_tag(scalar)?;
        }
        Ok(Item::Alias(self.place, node))
    }

    /// The finished node, which aliases find from now on.
    fn node(&mut self, anchor: usize, node: Written<'t>) -> Item<'t> {
        let node = Rc::new(node);
        if anchor > 0 {
            if self.anchors.len() <= anchor {
                self.anchors.resize(anchor + 1, None);
            }
            if let Some(known) = self.anchors.get_mut(anchor) {
                *known = Some(Rc::clone(&node));
            }
        }
        Item::Node(node)
    }

    /// Refuses the node that comes next, where it makes the document too large.
    fn count(&mut self, node: Size) -> Result<(), Malformed> {
        self.nodes += node.nodes;
        self.text = self.text.saturating_add(node.text);
        let depth = self.open.len() + node.depth;
        if self.nodes > MAX_NODES || self.text > MAX_TEXT || depth > MAX_DEPTH {
            return Err(Malformed::new("too many or too deeply nested values", self.place));
        }
        Ok(())
    }

    /// Refuses the scalar that comes next, where its tag is not for it.
    fn check_tag(&self, scalar: &Scalar<'t>) -> Result<(), Malformed> {
        let is_key = self.open.last().is_some_and(|open| open.is_map && open.items.len().is_multiple_of(2));
        match scalar.tag.is_none_or(|tag| tag.is_for(&scalar.text, is_key)) {
            true => Ok(()),
            false => Err(self.unknown_tag()),
        }
    }

    fn unknown_tag(&self) -> Malformed {
        Malformed::new("an unknown tag", self.place)
    }
}

impl<'t> Open<'t> {
    fn add(&mut self, item: Item<'t>) {
        let size = match &item {
            Item::Node(node) | Item::Alias(_, node) => node.size,
            Item::Cycle(_) => Size::default(),
        };
        self.size.nodes += size.nodes;
        self.size.text = self.size.text.saturating_add(size.text);
        self.size.depth = self.size.depth.max(size.depth + 1);
        self.items.push(item);
    }
}

fn place(marker: &Marker) -> Place {
    Place { line: marker.line(), column: marker.col() + 1 }
}

fn malformed(error: &ScanError) -> Malformed {
    let problem = match error.kind() {
        ErrorKind::UnknownAnchor => UNKNOWN_ANCHOR.to_owned(),
        // The parser's sentences are fixed, but for these, which show characters of the text.
        ErrorKind::UnexpectedCharacter { .. } => "unexpected character".to_owned(),
        ErrorKind::Custom(_) => "not valid YAML".to_owned(),
        _ => error.info(),
    };
    Malformed { problem, place: place(error.marker()) }
}
