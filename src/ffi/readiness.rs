//! What a host polls: a descriptor (an event object on Windows) that is ready as long as it is raised. It is kept by
//! each process for itself and not inherited by a program that one starts.

use std::io;

#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) use event::Readiness;
#[cfg(all(unix, not(any(target_os = "linux", target_os = "android"))))]
pub(super) use pipe::Readiness;
#[cfg(windows)]
pub(super) use windows::Readiness;

#[cfg(any(target_os = "linux", target_os = "android"))]
mod event {
    use super::io;
    use rustix::event::{EventfdFlags, eventfd};
    use std::os::fd::{AsRawFd, OwnedFd};

    pub(in crate::ffi) struct Readiness(OwnedFd);

    impl Readiness {
        pub(in crate::ffi) fn new() -> io::Result<Self> {
            Ok(Self(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?))
        }

        /// Neither this nor the opposite can fail on a descriptor that is open.
        pub(in crate::ffi) fn raise(&self) {
            let _ = rustix::io::write(&self.0, &1_u64.to_ne_bytes());
        }

        pub(in crate::ffi) fn lower(&self) {
            let _ = rustix::io::read(&self.0, &mut [0_u8; 8]);
        }

        pub(in crate::ffi) fn descriptor(&self) -> i64 {
            self.0.as_raw_fd().into()
        }
    }
}

/// Compiled for Unix as a whole, so that it is tested where there is something better, too.
#[cfg(all(unix, any(test, not(any(target_os = "linux", target_os = "android")))))]
mod pipe {
    use super::io;
    use std::io::{PipeReader, PipeWriter, Read, Write};
    use std::os::fd::AsRawFd;

    /// Holds one byte while it is raised.
    pub(in crate::ffi) struct Readiness {
        reader: PipeReader,
        writer: PipeWriter,
    }

    impl Readiness {
        pub(in crate::ffi) fn new() -> io::Result<Self> {
            let (reader, writer) = io::pipe()?;
            rustix::io::ioctl_fionbio(&reader, true)?;
            rustix::io::ioctl_fionbio(&writer, true)?;
            Ok(Self { reader, writer })
        }

        pub(in crate::ffi) fn raise(&self) {
            let _ = (&self.writer).write(&[1]);
        }

        pub(in crate::ffi) fn lower(&self) {
            let _ = (&self.reader).read(&mut [0_u8; 8]);
        }

        pub(in crate::ffi) fn descriptor(&self) -> i64 {
            self.reader.as_raw_fd().into()
        }
    }
}

#[cfg(windows)]
mod windows {
    use super::io;
    use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
    use windows_sys::Win32::System::Threading::{CreateEventW, ResetEvent, SetEvent};

    pub(in crate::ffi) struct Readiness(OwnedHandle);

    impl Readiness {
        pub(in crate::ffi) fn new() -> io::Result<Self> {
            // SAFETY: no attributes (not inherited) and no name are given: both may be NULL.
            let event = unsafe { CreateEventW(std::ptr::null(), 1, 0, std::ptr::null()) };
            if event.is_null() {
                return Err(io::Error::last_os_error());
            }
            // SAFETY: the handle was made just now and is nobody else's.
            Ok(Self(unsafe { OwnedHandle::from_raw_handle(event) }))
        }

        pub(in crate::ffi) fn raise(&self) {
            // SAFETY: the handle is open as long as `self` is there.
            unsafe { SetEvent(self.0.as_raw_handle()) };
        }

        pub(in crate::ffi) fn lower(&self) {
            // SAFETY: the same.
            unsafe { ResetEvent(self.0.as_raw_handle()) };
        }

        pub(in crate::ffi) fn descriptor(&self) -> i64 {
            self.0.as_raw_handle().addr() as i64
        }
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use std::os::fd::BorrowedFd;

    fn is_ready(descriptor: i64) -> bool {
        // SAFETY: the test keeps it open.
        let descriptor = unsafe { BorrowedFd::borrow_raw(i32::try_from(descriptor).unwrap()) };
        poll(&mut [PollFd::new(&descriptor, PollFlags::IN)], Some(&Timespec::default())).unwrap() == 1
    }

    macro_rules! ready_while_raised {
        ($name:ident, $kind:ty) => {
            #[test]
            fn $name() {
                let readiness = <$kind>::new().unwrap();
                let descriptor = readiness.descriptor();
                assert!(!is_ready(descriptor));
                for _ in 0..100_000 {
                    readiness.raise();
                    readiness.lower();
                }
                assert!(!is_ready(descriptor));
                readiness.raise();
                assert!(is_ready(descriptor) && is_ready(descriptor));
                readiness.lower();
                assert!(!is_ready(descriptor));
                // Lowering twice must not block.
                readiness.lower();
                // SAFETY: open, as above.
                let descriptor = unsafe { BorrowedFd::borrow_raw(i32::try_from(descriptor).unwrap()) };
                assert!(rustix::io::fcntl_getfd(descriptor).unwrap().contains(rustix::io::FdFlags::CLOEXEC));
            }
        };
    }
    ready_while_raised!(a_descriptor_is_ready_while_it_is_raised, super::Readiness);
    ready_while_raised!(a_pipe_is_ready_while_it_is_raised, super::pipe::Readiness);
}
