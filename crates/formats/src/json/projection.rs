//! Which fields of a record are wanted: columns, and fields inside STRUCT columns.

use std::collections::HashMap;

/// Levels a path may have.
pub const PATH_LEN_MAX: usize = 32;

/// Paths a projection may have.
pub const PATHS_MAX: usize = 16_384;

/// No node.
pub(super) const NONE: u16 = u16::MAX;

/// Why a projection cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProjectionError {
    /// A path without a name.
    #[error("path {index} of the projection is empty")]
    EmptyPath {
        /// Which of the paths.
        index: usize,
    },
    /// A path with too many levels.
    #[error("path {index} of the projection has more than {PATH_LEN_MAX} levels")]
    PathTooLong {
        /// Which of the paths.
        index: usize,
    },
    /// Too many paths.
    #[error("more than {PATHS_MAX} fields wanted of one record")]
    TooManyPaths,
}

/// What a JSON key stands for: mostly nothing or one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Targets {
    pub node: u16,
    /// A second node: with a column "id" and a column ID, the key `id` is for both.
    pub also: u16,
    /// Whether `node` has exactly the key as its name; `also` never has.
    pub exact: bool,
    /// Whether one of them has children.
    pub deep: bool,
}

/// A wanted field, or an object on the way to one.
#[derive(Debug, Default)]
pub(super) struct Node {
    children: HashMap<Box<str>, u16>,
    /// All nodes below, whose slots a second occurrence of this key makes void.
    pub below: Vec<u16>,
}

impl Node {
    pub(super) fn has_children(&self) -> bool {
        !self.children.is_empty()
    }
}

/// The wanted fields of a record, compiled: slot `i` is for path `i`.
///
/// Objects on the way to a wanted field need a slot as well; those come after the wanted ones, so a
/// record's slots are `slot_count()` in number.
#[derive(Debug)]
pub struct Projection {
    /// Node `i` has slot `i`; the last node is the record itself and has none.
    nodes: Vec<Node>,
    /// Paths that were asked for twice: the slot and the one it is a copy of.
    pub(super) copies: Vec<(u16, u16)>,
}

impl Projection {
    /// Compiles paths such as `["winlog", "event_data", "CommandLine"]`, each name as the column or field
    /// is named in the schema.
    pub fn new<P, S>(paths: &[P]) -> Result<Self, ProjectionError>
    where
        P: AsRef<[S]>,
        S: AsRef<str>,
    {
        if paths.len() > PATHS_MAX {
            return Err(ProjectionError::TooManyPaths);
        }
        for (index, path) in paths.iter().enumerate() {
            match path.as_ref().len() {
                0 => return Err(ProjectionError::EmptyPath { index }),
                len if len > PATH_LEN_MAX => return Err(ProjectionError::PathTooLong { index }),
                _ => {}
            }
        }
        // Parents before children, so that a wanted object has its own slot.
        let mut order: Vec<usize> = (0..paths.len()).collect();
        order.sort_by_key(|&index| paths[index].as_ref().len());
        let mut nodes: Vec<Node> = paths.iter().map(|_| Node::default()).collect();
        let mut root = Node::default();
        let mut copies = Vec::new();
        for index in order {
            let path = paths[index].as_ref();
            let (leaf, parents) = path.split_last().expect("paths without a name were refused");
            let mut parent = NONE;
            for name in parents {
                let next = nodes.len();
                let children = children(&mut nodes, &mut root, parent);
                let id = *children.entry(name.as_ref().into()).or_insert(next as u16);
                if usize::from(id) == next {
                    // Leaves one number free for the root.
                    if next + 1 >= usize::from(NONE) {
                        return Err(ProjectionError::TooManyPaths);
                    }
                    nodes.push(Node::default());
                }
                parent = id;
            }
            let children = children(&mut nodes, &mut root, parent);
            let id = *children.entry(leaf.as_ref().into()).or_insert(index as u16);
            if usize::from(id) != index {
                copies.push((index as u16, id));
            }
        }
        nodes.push(root);
        for id in 0..nodes.len() {
            let mut below = Vec::new();
            let mut open = vec![id as u16];
            while let Some(node) = open.pop() {
                let children = nodes[usize::from(node)].children.values();
                below.extend(children.clone());
                open.extend(children);
            }
            nodes[id].below = below;
        }
        Ok(Self { nodes, copies })
    }

    /// Compiles top-level columns.
    pub fn columns<S: AsRef<str>>(names: &[S]) -> Result<Self, ProjectionError> {
        let paths: Vec<[&str; 1]> = names.iter().map(|name| [name.as_ref()]).collect();
        Self::new(&paths)
    }

    /// Returns how many slots a record needs: one for each path, in order, and some for inner use.
    pub fn slot_count(&self) -> usize {
        self.nodes.len() - 1
    }

    pub(super) fn root(&self) -> u16 {
        (self.nodes.len() - 1) as u16
    }

    /// The children of `parent` that `key` stands for. As in ksqlDB a column is filled from the key of
    /// exactly its name, else from one that in upper case is its name.
    pub(super) fn targets(&self, parent: u16, key: &str) -> Targets {
        let children = &self.node(parent).children;
        let exact = children.get(key).copied().unwrap_or(NONE);
        let mut also = children.get(key.to_uppercase().as_str()).copied().unwrap_or(NONE);
        let mut node = exact;
        if also == exact {
            also = NONE;
        }
        if node == NONE {
            (node, also) = (also, NONE);
        }
        let deep = [node, also].iter().any(|&id| id != NONE && self.node(id).has_children());
        Targets { node, also, exact: exact != NONE, deep }
    }

    pub(super) fn node(&self, id: u16) -> &Node {
        &self.nodes[usize::from(id)]
    }

    pub(super) fn node_count(&self) -> usize {
        self.nodes.len()
    }
}

fn children<'a>(nodes: &'a mut [Node], root: &'a mut Node, id: u16) -> &'a mut HashMap<Box<str>, u16> {
    if id == NONE { &mut root.children } else { &mut nodes[usize::from(id)].children }
}
