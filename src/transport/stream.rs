//! Connections that raise no SIGPIPE, however they end.

use hyper::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tower_service::Service;

/// A connector of connections that are written to one piece at a time. The standard library does that by `send`, which
/// takes a flag against SIGPIPE, and several at once by `writev`, which takes none.
#[derive(Clone)]
pub(super) struct Quiet<C>(pub C);

/// What such a connector makes. That it writes several at once is left out.
pub(super) struct QuietStream<S>(S);

impl<R> Service<Uri> for Quiet<HttpConnector<R>>
where
    HttpConnector<R>: Service<Uri>,
    <HttpConnector<R> as Service<Uri>>::Future: Send + 'static,
{
    type Response = QuietStream<<HttpConnector<R> as Service<Uri>>::Response>;
    type Error = <HttpConnector<R> as Service<Uri>>::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        let connecting = self.0.call(to);
        Box::pin(async move { connecting.await.map(QuietStream) })
    }
}

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

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}
