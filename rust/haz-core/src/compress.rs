//! zstd frames whose content has a size that is known beforehand, so that no frame can grow beyond it.

use std::io::{self, Read};

/// The library's own choice: beyond it time grows faster than files shrink.
pub(crate) const LEVEL: i32 = 3;

/// One frame with these bytes.
///
/// # Errors
/// What the library says; it has no reason to fail but a lack of memory.
pub fn compress(bytes: &[u8]) -> io::Result<Vec<u8>> {
    zstd::bulk::compress(bytes, LEVEL)
}

/// The content of a frame that must have exactly `size` bytes.
///
/// # Errors
/// It is no frame, is torn, or has another size.
pub fn decompress(frame: &[u8], size: usize) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    // Reserved as it grows: the size is only what somebody has written down.
    let limit = u64::try_from(size).unwrap_or(u64::MAX).saturating_add(1);
    zstd::stream::read::Decoder::new(frame)?.take(limit).read_to_end(&mut content)?;
    if content.len() == size { Ok(content) } else { Err(io::Error::other("it does not have the size it states")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_was_compressed_comes_back(bytes: Vec<u8>) {
            let frame = compress(&bytes).unwrap();
            prop_assert_eq!(decompress(&frame, bytes.len()).unwrap(), bytes);
        }
    }

    #[test]
    fn a_frame_of_another_size_is_refused_before_it_is_held() {
        let bomb = compress(&vec![0; 1 << 26]).unwrap();
        assert!(bomb.len() < 1 << 14);
        assert!(decompress(&bomb, 10).is_err());
        assert!(decompress(&bomb, (1 << 26) + 1).is_err());
    }

    #[test]
    fn what_is_no_frame_or_torn_is_an_error() {
        let frame = compress(b"some text, some text, some text").unwrap();
        assert!(decompress(b"some text", 9).is_err());
        assert!(decompress(&frame[..frame.len() - 3], 31).is_err());
    }
}
