use crate::Map;
use std::borrow::Borrow;
use std::{fmt, iter, vec};

/// A `BTreeSet` for up to some thousands of elements: a sorted list. The functions are those of [`BTreeSet`](std::collections::BTreeSet).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Set<T> {
    items: Map<T, ()>,
}

impl<T> Set<T> {
    /// An empty one.
    #[must_use]
    pub const fn new() -> Self {
        Self { items: Map::new() }
    }

    /// The number of elements.
    #[must_use]
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Removes all elements.
    pub fn clear(&mut self) {
        self.items.clear();
    }

    /// All elements in order.
    pub fn iter(&self) -> Elements<'_, T> {
        self.items.iter().map(first as fn(_) -> _)
    }

    /// Keeps only the elements for which this holds.
    pub fn retain(&mut self, mut stays: impl FnMut(&T) -> bool) {
        self.items.retain(|element, ()| stays(element));
    }
}

impl<T: Ord> Set<T> {
    /// Whether this element is there.
    pub fn contains<Q: Ord + ?Sized>(&self, element: &Q) -> bool
    where
        T: Borrow<Q>,
    {
        self.items.contains_key(element)
    }

    /// Adds an element; whether it was not there.
    pub fn insert(&mut self, element: T) -> bool {
        self.items.insert(element, ()).is_none()
    }

    /// Removes an element; whether it was there.
    pub fn remove<Q: Ord + ?Sized>(&mut self, element: &Q) -> bool
    where
        T: Borrow<Q>,
    {
        self.items.remove(element).is_some()
    }
}

impl<T> Default for Set<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: fmt::Debug> fmt::Debug for Set<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self).finish()
    }
}

fn first<'a, T>((element, ()): (&'a T, &'a ())) -> &'a T {
    element
}

/// The elements of a [`Set`] in order.
pub type Elements<'a, T> = iter::Map<crate::map::Iter<'a, T, ()>, fn((&'a T, &'a ())) -> &'a T>;

impl<'a, T> IntoIterator for &'a Set<T> {
    type Item = &'a T;
    type IntoIter = Elements<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<T> IntoIterator for Set<T> {
    type Item = T;
    type IntoIter = iter::Map<vec::IntoIter<(T, ())>, fn((T, ())) -> T>;

    fn into_iter(self) -> Self::IntoIter {
        let element: fn((T, ())) -> T = |(element, ())| element;
        self.items.into_iter().map(element)
    }
}

impl<T: Ord> Extend<T> for Set<T> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, elements: I) {
        self.items.extend(elements.into_iter().map(|element| (element, ())));
    }
}

impl<T: Ord> FromIterator<T> for Set<T> {
    fn from_iter<I: IntoIterator<Item = T>>(elements: I) -> Self {
        Self { items: elements.into_iter().map(|element| (element, ())).collect() }
    }
}

impl<T: Ord, const N: usize> From<[T; N]> for Set<T> {
    fn from(elements: [T; N]) -> Self {
        elements.into_iter().collect()
    }
}
