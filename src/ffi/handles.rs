//! Handles are ids, not addresses: a table of slots maps each to its object.
//!
//! A handle's pointer value packs a slot's index and the generation that the slot had when the handle was made. It is
//! looked up and never dereferenced, so a stale, freed, forged or wrongly typed handle is an error and not undefined
//! behaviour. The table takes no lock: a lookup costs a few loads, threads do not slow each other down, and a child
//! that was forked while another thread made a handle finds nothing locked.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use arc_swap::{ArcSwapOption, Guard};
use once_cell::race::OnceBox;

use super::completions::{Call, Queue};
use super::forks;
use crate::client::{Client, UserScope};
use crate::session::Session;
use crate::{Error, Result};

/// What a handle can stand for.
pub(super) enum Object {
    Client(Client),
    UserScope(UserScope),
    Session(Session),
    Queue(Queue),
    Call(Call),
}

impl Object {
    fn type_name(&self) -> &'static str {
        match self {
            Self::Client(_) => Client::NAME,
            Self::UserScope(_) => UserScope::NAME,
            Self::Session(_) => Session::NAME,
            Self::Queue(_) => Queue::NAME,
            Self::Call(_) => Call::NAME,
        }
    }
}

/// A Rust type that C holds a handle of. `Opaque` is the incomplete type that the header shows for it.
pub(super) trait Handle: Sized {
    type Opaque;
    const NAME: &'static str;
    fn into_object(self) -> Object;
    fn from_object(object: &Object) -> Option<&Self>;
}

macro_rules! handle {
    ($type:ident, $opaque:ident) => {
        impl $crate::ffi::handles::Handle for $type {
            type Opaque = $opaque;
            const NAME: &'static str = stringify!($opaque);
            fn into_object(self) -> $crate::ffi::handles::Object {
                $crate::ffi::handles::Object::$type(self)
            }
            fn from_object(object: &$crate::ffi::handles::Object) -> Option<&Self> {
                match object {
                    $crate::ffi::handles::Object::$type(value) => Some(value),
                    _ => None,
                }
            }
        }
    };
}
pub(super) use handle;

pub(super) struct Entry {
    id: usize,
    object: Object,
    poisoned: AtomicBool,
}

/// A handle that was looked up. The object lives at least as long as this, even when the handle is freed meanwhile.
pub(super) struct Lookup(Guard<Option<Arc<Entry>>>);

impl Lookup {
    #[inline]
    pub(super) fn object<T: Handle>(&self) -> Result<&T> {
        let entry = self.entry()?;
        let found = T::from_object(&entry.object);
        found
            .ok_or_else(|| Error::InvalidHandle(format!("this is an {}, not an {}", entry.object.type_name(), T::NAME)))
    }

    /// Spoils the handle: a panic left its object in a state that nobody vouches for.
    pub(super) fn poison(&self) {
        if let Ok(entry) = self.entry() {
            entry.poisoned.store(true, Ordering::Release);
        }
    }

    #[inline]
    fn entry(&self) -> Result<&Arc<Entry>> {
        self.0.as_ref().ok_or_else(|| Error::InvalidHandle(String::from("the handle was freed")))
    }
}

/// A handle's object, kept for a call that goes on after its function returned.
pub(super) struct Held(Arc<Entry>);

impl Held {
    /// Spoils the handle, as [`Lookup::poison`] does.
    pub(super) fn poison(&self) {
        self.0.poisoned.store(true, Ordering::Release);
    }
}

struct Slot {
    entry: ArcSwapOption<Entry>,
    /// The generation of the next handle that this slot gives out.
    generation: AtomicUsize,
    /// The next slot on the free list, plus one; 0 ends the list.
    next_free: AtomicU64,
}

const INDEX_BITS: u32 = if usize::BITS == 64 { 24 } else { 16 };
/// The lowest quarter of the generations, of which a slot's first is one.
const FIRST_GENERATIONS: usize = (1 << (usize::BITS - INDEX_BITS - 3)) - 1;
const FIRST_CHUNK: usize = 64;
const CHUNKS: usize = (INDEX_BITS - FIRST_CHUNK.ilog2()) as usize;
/// The lowest bit of every handle is set, so that none equals the address of anything that malloc gave.
const MARK: usize = 1;

/// The table: chunks that double in size, are made on demand and never moved.
struct Table {
    chunks: [OnceBox<Box<[Slot]>>; CHUNKS],
    used: AtomicUsize,
    /// The head of the free list: its index plus one in the low half, a counter against the ABA problem in the high.
    free: AtomicU64,
}

static TABLE: Table =
    Table { chunks: [const { OnceBox::new() }; CHUNKS], used: AtomicUsize::new(0), free: AtomicU64::new(0) };

/// Makes a handle for the object.
pub(super) fn insert<T: Handle>(value: T) -> Result<*mut T::Opaque> {
    forks::watch();
    TABLE.insert(value.into_object()).map(std::ptr::without_provenance_mut)
}

/// Finds the object of a handle.
#[inline]
pub(super) fn find<T: Handle>(handle: *mut T::Opaque) -> Result<Lookup> {
    if handle.is_null() {
        return Err(Error::InvalidHandle(format!("the {} is NULL", T::NAME)));
    }
    let lookup = TABLE.find(handle.addr(), T::NAME)?;
    let poisoned = lookup.entry()?.poisoned.load(Ordering::Acquire);
    if poisoned {
        return Err(Error::Internal(format!("an earlier call on this {} panicked", T::NAME)));
    }
    Ok(lookup)
}

/// Finds the object of a handle, to keep it.
pub(super) fn hold<T: Handle>(handle: *mut T::Opaque) -> Result<Held> {
    find::<T>(handle)?.entry().cloned().map(Held)
}

/// Frees a handle; says whether there was anything to free.
pub(super) fn remove<T: Handle>(handle: *mut T::Opaque) -> bool {
    TABLE.remove::<T>(handle.addr())
}

impl Table {
    fn insert(&self, object: Object) -> Result<usize> {
        let index = match self.pop_free() {
            Some(index) => index,
            None => self.used.fetch_add(1, Ordering::Relaxed),
        };
        let slot = self.slot_or_new(index).ok_or_else(|| Error::Internal(String::from("too many handles are open")))?;
        let id = (slot.generation.load(Ordering::Acquire) << (INDEX_BITS + 1)) | (index << 1) | MARK;
        slot.entry.store(Some(Arc::new(Entry { id, object, poisoned: AtomicBool::new(false) })));
        Ok(id)
    }

    fn find(&self, id: usize, name: &str) -> Result<Lookup> {
        let slot = if id & MARK == MARK { self.slot(index_of(id)) } else { None };
        if let Some(slot) = slot {
            let entry = slot.entry.load();
            if entry.as_ref().is_some_and(|entry| entry.id == id) {
                return Ok(Lookup(entry));
            }
        }
        Err(Error::InvalidHandle(format!("the {name} was freed or never existed")))
    }

    fn remove<T: Handle>(&self, id: usize) -> bool {
        let Some(slot) = self.slot(index_of(id)) else { return false };
        let current = slot.entry.load();
        let Some(entry) = current.as_ref().filter(|entry| entry.id == id) else { return false };
        if T::from_object(&entry.object).is_none() {
            return false;
        }
        let previous = slot.entry.compare_and_swap(&current, None);
        let freed = previous.as_ref().is_some_and(|previous| Arc::ptr_eq(previous, entry));
        if freed {
            self.retire(slot, index_of(id));
        }
        freed
    }

    /// Gives the slot its next generation and puts it on the free list; a slot that has used up its generations is
    /// left out for good, so that no handle value ever comes back.
    fn retire(&self, slot: &Slot, index: usize) {
        let next = slot.generation.load(Ordering::Acquire) + 1;
        if next >> (usize::BITS - INDEX_BITS - 1) != 0 {
            return;
        }
        slot.generation.store(next, Ordering::Release);
        let mut head = self.free.load(Ordering::Acquire);
        loop {
            slot.next_free.store(head & u64::from(u32::MAX), Ordering::Release);
            let new = (next_count(head) << 32) | (index as u64 + 1);
            match self.free.compare_exchange_weak(head, new, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return,
                Err(current) => head = current,
            }
        }
    }

    fn pop_free(&self) -> Option<usize> {
        let mut head = self.free.load(Ordering::Acquire);
        loop {
            let index = usize::try_from((head & u64::from(u32::MAX)).checked_sub(1)?).ok()?;
            let next = self.slot(index)?.next_free.load(Ordering::Acquire);
            let new = (next_count(head) << 32) | next;
            match self.free.compare_exchange_weak(head, new, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Some(index),
                Err(current) => head = current,
            }
        }
    }

    #[inline]
    fn slot(&self, index: usize) -> Option<&Slot> {
        let (chunk, offset) = position(index);
        self.chunks.get(chunk)?.get()?.get(offset)
    }

    fn slot_or_new(&self, index: usize) -> Option<&Slot> {
        let (chunk, offset) = position(index);
        self.chunks.get(chunk)?.get_or_init(|| Box::new(new_chunk(FIRST_CHUNK << chunk))).get(offset)
    }
}

fn new_chunk(length: usize) -> Box<[Slot]> {
    // A random first generation, with three quarters of them left: a handle of another process or of another copy of
    // the library, or a number made up, finds nothing.
    let seed = getrandom::u64().map_or_else(|_| std::ptr::from_ref(&TABLE).addr(), |random| random as usize);
    let slot = |index: usize| Slot {
        entry: ArcSwapOption::empty(),
        generation: AtomicUsize::new((seed.wrapping_add(index.wrapping_mul(0x9e37_79b1)) & FIRST_GENERATIONS) + 1),
        next_free: AtomicU64::new(0),
    };
    (0..length).map(slot).collect()
}

fn next_count(head: u64) -> u64 {
    (head >> 32).wrapping_add(1) & u64::from(u32::MAX)
}

fn index_of(id: usize) -> usize {
    (id >> 1) & ((1 << INDEX_BITS) - 1)
}

/// Which chunk an index falls into, and where in it.
fn position(index: usize) -> (usize, usize) {
    let chunk = (index / FIRST_CHUNK + 1).ilog2() as usize;
    (chunk, index - FIRST_CHUNK * ((1 << chunk) - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client() -> Client {
        let options = crate::json::parse_object(r#"{"api_key": "ak_test_x"}"#).unwrap();
        Client::new(crate::config::ClientOptions::from_json(&options).unwrap()).unwrap()
    }

    #[test]
    fn handles_are_found_until_they_are_freed_and_never_come_back() {
        let client = client();
        let handles: Vec<Vec<usize>> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| {
                        let mut seen = Vec::new();
                        for _ in 0..500 {
                            let handle = insert(client.clone()).unwrap();
                            assert!(find::<Client>(handle).unwrap().object::<Client>().is_ok());
                            assert!(find::<Client>(handle).unwrap().object::<Session>().is_err());
                            assert!(!remove::<Session>(handle.cast()) && remove::<Client>(handle));
                            assert!(find::<Client>(handle).is_err() && !remove::<Client>(handle));
                            seen.push(handle.addr());
                        }
                        seen
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let all: std::collections::HashSet<usize> = handles.iter().flatten().copied().collect();
        assert_eq!(all.len(), 2000);
    }

    #[test]
    fn one_of_many_threads_frees_a_handle() {
        let handle = insert(client()).unwrap().addr();
        let freed = std::thread::scope(|scope| {
            let free = || remove::<Client>(std::ptr::without_provenance_mut(handle));
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(free)).collect();
            threads.into_iter().filter_map(|thread| thread.join().ok()).filter(|freed| *freed).count()
        });
        assert_eq!(freed, 1);
    }

    #[test]
    fn what_was_looked_up_outlives_its_handle() {
        let handle = insert(client()).unwrap();
        let lookup = find::<Client>(handle).unwrap();
        assert!(remove::<Client>(handle));
        assert_eq!(lookup.object::<Client>().unwrap().info()["max_retries"], 3);
    }

    #[test]
    fn a_poisoned_handle_stays_spoiled() {
        let handle = insert(client()).unwrap();
        find::<Client>(handle).unwrap().poison();
        assert!(matches!(find::<Client>(handle), Err(Error::Internal(_))));
        assert!(remove::<Client>(handle));
    }

    #[test]
    fn forged_handles_find_nothing() {
        for address in [1, 2, 3, usize::MAX, usize::MAX - 1, 0x7fff_dead_beef] {
            assert!(find::<Client>(std::ptr::without_provenance_mut(address)).is_err(), "{address:x}");
        }
    }

    #[test]
    fn first_generations_are_as_random_as_there_is_room_for() {
        let generations =
            || new_chunk(64).iter().map(|slot| slot.generation.load(Ordering::Relaxed)).collect::<Vec<_>>();
        let (one, other) = (generations(), generations());
        assert!(one.iter().all(|generation| (1..=FIRST_GENERATIONS + 1).contains(generation)));
        assert!(one.iter().any(|generation| *generation > FIRST_GENERATIONS / 2));
        // Of 64 pairs none is alike by chance, where a generation has 37 bits.
        assert!(usize::BITS < 64 || one.iter().zip(&other).all(|(one, other)| one != other));
    }

    #[test]
    fn chunks_follow_each_other_without_a_gap() {
        assert_eq!(position(0), (0, 0));
        assert_eq!(position(63), (0, 63));
        assert_eq!(position(64), (1, 0));
        assert_eq!(position(191), (1, 127));
        assert_eq!(position(192), (2, 0));
    }
}
