//! Storing what a task wrote when that is all there is to store.

use super::{Blobs, CollectError, CollectKind, Content, Stream};

/// Bytes of a stream that are written sooner than a thread is woken for them.
const SMALL: u64 = 64 << 10;

impl Blobs {
    /// Whether [`collect_streams`](Self::collect_streams) is done sooner than it is handed to another thread.
    pub fn is_small(streams: &[Stream; 2]) -> bool {
        streams.iter().all(|stream| stream.size <= SMALL && matches!(stream.content, Content::Memory(_)))
    }

    /// Copy captured streams into the store, for a task without outputs: as `collect` does.
    ///
    /// # Errors
    /// The first failure.
    pub fn collect_streams(&self, streams: &[Stream; 2]) -> Result<(), CollectError> {
        let [out, err] = streams;
        let same = out.digest == err.digest && out.size == err.size;
        let answer = self.put_stream(out).and_then(|()| if same { Ok(()) } else { self.put_stream(err) });
        answer.map_err(|error| CollectError { kind: CollectKind::Store, path: Vec::new(), reason: error.to_string() })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::Arc;

    use super::*;
    use crate::digest::Algorithm;
    use crate::glob::PatternSet;
    use crate::tree::Tree;

    fn streams(out: &str, err: &str) -> [Stream; 2] {
        [out, err].map(|text| Stream::of_bytes(text.as_bytes(), Algorithm::Blake3))
    }

    #[test]
    fn streams_are_there_afterwards_and_trouble_is_the_store_s() {
        let root = tempfile::tempdir().unwrap();
        let patterns = Arc::new(PatternSet::new([Vec::new(); 1]).unwrap());
        let tree = Arc::new(Tree::new(root.path().into(), Algorithm::Blake3, patterns, 1, None).unwrap());
        let store = |name: &str| Blobs::new(root.path().into(), root.path().join(name), tree.clone(), false, false);
        let blobs = store("store");
        for pair in [streams("", ""), streams("one", ""), streams("two", "three")] {
            assert!(Blobs::is_small(&pair));
            blobs.collect_streams(&pair).unwrap();
            assert!(blobs.present(&pair.map(|stream| (stream.digest, stream.size))));
        }
        fs::write(root.path().join("in the way"), "").unwrap();
        let error = store("in the way/store").collect_streams(&streams("", "four")).unwrap_err();
        assert_eq!((error.kind, error.path.len()), (CollectKind::Store, 0));
        let large = "x".repeat(usize::try_from(SMALL).unwrap() + 1);
        assert!(!Blobs::is_small(&streams("", &large)));
    }
}
