//! Random numbers that are the same on every machine, and the seed that they start from.

const DEFAULT_SEED: u64 = 20_261_124;
const VARIABLE: &str = "ARMORIQ_TEST_SEED";

/// The seed of this run. It is printed, so that a failure can be repeated.
pub fn seed(test: &str) -> u64 {
    let seed = std::env::var(VARIABLE).map_or(DEFAULT_SEED, |seed| seed.parse().expect(VARIABLE));
    println!("{test}: seed {seed}; {VARIABLE}=<number> runs it with another one");
    seed
}

/// SplitMix64.
#[derive(Clone)]
pub struct Random(u64);

impl Random {
    /// The generator of one case of a run. Cases do not depend on each other.
    pub fn of_case(seed: u64, case: u64) -> Self {
        let mut random = Self(seed ^ case.wrapping_mul(0xD6E8_FEB8_6659_FD93));
        random.next();
        random
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`, which is small enough for the bias not to matter.
    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    pub fn one_in(&mut self, chance: usize) -> bool {
        self.below(chance) == 0
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    /// Up to `most` items, each made by `make`.
    pub fn list<T>(&mut self, most: usize, mut make: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let length = self.below(most + 1);
        (0..length).map(|_| make(self)).collect()
    }
}
