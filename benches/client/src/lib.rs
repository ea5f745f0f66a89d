//! What the library's network side is measured against: the least that a program does with reqwest before its first
//! request, and for each request. A shared library of its own, so that its start is not the other floors' too.

use std::ffi::{CStr, c_char};
use std::hint::black_box;
use std::sync::Arc;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Url};
use tokio::runtime::{Builder, Runtime};

/// A runtime and a client, as reqwest has them by default but for the trusted roots, which the library reads later.
fn client() -> Option<(Runtime, Client)> {
    let runtime = Builder::new_current_thread().enable_all().build().ok()?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().ok()?;
    let tls = tls.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth();
    Some((runtime, Client::builder().tls_backend_preconfigured(tls).build().ok()?))
}

/// 1 where both are there.
#[unsafe(no_mangle)]
pub extern "C" fn floor_client_new() -> i32 {
    i32::from(black_box(client()).is_some())
}

/// A request that is sent again and again.
pub struct Post {
    runtime: Runtime,
    client: Client,
    url: Url,
    headers: HeaderMap,
    body: String,
}

/// The text behind a pointer.
///
/// # Safety
/// `text` is NUL-terminated and stays as it is during `'a`.
unsafe fn text<'a>(text: *const c_char) -> Option<&'a str> {
    // SAFETY: the same condition.
    unsafe { CStr::from_ptr(text) }.to_str().ok()
}

fn post(url: &str, headers: &str, body: &str) -> Option<Post> {
    let (runtime, client) = client()?;
    let header = |line: &str| {
        let (name, value) = line.split_once(": ")?;
        Some((HeaderName::try_from(name).ok()?, HeaderValue::try_from(value).ok()?))
    };
    let headers = headers.lines().map(header).collect::<Option<HeaderMap>>()?;
    Some(Post { runtime, client, url: url.parse().ok()?, headers, body: body.to_owned() })
}

/// A POST of this body, with these headers, a line each. Null where it cannot be made. It is never freed.
///
/// # Safety
/// All are NUL-terminated texts.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn floor_post_new(url: *const c_char, headers: *const c_char, body: *const c_char) -> *mut Post {
    // SAFETY: the caller's conditions.
    let texts = unsafe { (text(url), text(headers), text(body)) };
    let (Some(url), Some(headers), Some(body)) = texts else { return std::ptr::null_mut() };
    post(url, headers, body).map_or(std::ptr::null_mut(), |post| Box::into_raw(Box::new(post)))
}

/// Sends it, and gives the length of the answer; -1 where there is none.
///
/// # Safety
/// `post` is one of [`floor_post_new`], and no other thread uses it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn floor_post(post: *const Post) -> i64 {
    // SAFETY: the caller's conditions.
    let post = unsafe { &*post };
    let request = post.client.post(post.url.clone()).headers(post.headers.clone()).body(post.body.clone());
    let answer = post.runtime.block_on(async { request.send().await?.bytes().await });
    answer.ok().and_then(|answer| i64::try_from(answer.len()).ok()).unwrap_or(-1)
}
