//! Connections that raise no SIGPIPE, however they end.
//!
//! Where several pieces are to be sent at once, as a request's head and body, the standard library takes `writev`, which
//! has no flag against the signal. `send` has one, but takes one piece.

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

/// Pieces of as many bytes together are copied and sent as one. Larger ones are sent one after the other.
const MOST_AT_ONCE: usize = 16 * 1024;

/// A connection that sends one piece at a time.
pub(super) struct QuietStream<S>(pub S);

impl<S: Connection> Connection for QuietStream<S> {
    fn connected(&self) -> Connected {
        self.0.connected()
    }
}

impl<S: Read + Unpin> Read for QuietStream<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, to: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, to)
    }
}

impl<S: Write + Unpin> Write for QuietStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, piece: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, piece)
    }

    /// Without it hyper would copy a request of any size into a buffer, and keep that as long as the connection.
    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let length = pieces.iter().map(|piece| piece.len()).sum();
        let mut filled = pieces.iter().filter(|piece| !piece.is_empty());
        match (filled.next(), filled.next()) {
            (Some(_), Some(_)) if length <= MOST_AT_ONCE => {
                let mut together = Vec::with_capacity(length);
                pieces.iter().for_each(|piece| together.extend_from_slice(piece));
                self.poll_write(context, &together)
            }
            (first, _) => self.poll_write(context, first.map_or(&[], |first| first)),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use futures_util::future::poll_fn;

    /// Takes as much as it is given, and keeps how much that was each time.
    #[derive(Default)]
    struct Taken(Vec<usize>);

    impl Write for Taken {
        fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, piece: &[u8]) -> Poll<io::Result<usize>> {
            self.0.push(piece.len());
            Poll::Ready(Ok(piece.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[test]
    fn small_pieces_are_sent_as_one_and_a_large_one_is_not_copied() {
        for (lengths, sent) in [
            (&[200, 700][..], 900),
            (&[0, 200, 0, 700], 900),
            (&[200, MOST_AT_ONCE - 200], MOST_AT_ONCE),
            (&[200, MOST_AT_ONCE], 200),
            (&[0, 8 << 20], 8 << 20),
            (&[], 0),
        ] {
            let pieces: Vec<_> = lengths.iter().map(|length| vec![b'x'; *length]).collect();
            let pieces: Vec<_> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
            let mut stream = QuietStream(Taken::default());
            assert!(stream.is_write_vectored());
            let write = poll_fn(|context| Pin::new(&mut stream).poll_write_vectored(context, &pieces));
            assert_eq!(write.now_or_never().unwrap().unwrap(), sent, "{lengths:?}");
            assert_eq!(stream.0.0, [sent], "{lengths:?}");
        }
    }
}
