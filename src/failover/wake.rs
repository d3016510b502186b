//! Queues that wake a thread which waits for sockets.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};

use nix::sys::eventfd::{EfdFlags, EventFd};

/// The sending end; never blocks.
#[derive(Debug)]
pub(crate) struct Post<T> {
    sender: Sender<T>,
    bell: Arc<EventFd>,
}

impl<T> Clone for Post<T> {
    fn clone(&self) -> Self {
        Self {
            sender: self.sender.clone(),
            bell: Arc::clone(&self.bell),
        }
    }
}

impl<T> Post<T> {
    /// Sends and wakes the receiver. A receiver that is gone is no error.
    pub(crate) fn send(&self, message: T) {
        if self.sender.send(message).is_ok() {
            // Full at 2^64 - 1, which wakes as well.
            let _ = self.bell.write(1);
        }
    }
}

/// The receiving end.
#[derive(Debug)]
pub(crate) struct Inbox<T> {
    receiver: Receiver<T>,
    bell: Arc<EventFd>,
}

/// A queue.
pub(crate) fn queue<T>() -> nix::Result<(Post<T>, Inbox<T>)> {
    let flags = EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC;
    let bell = Arc::new(EventFd::from_value_and_flags(0, flags)?);
    let (sender, receiver) = mpsc::channel();
    let post = Post {
        sender,
        bell: Arc::clone(&bell),
    };
    Ok((post, Inbox { receiver, bell }))
}

impl<T> Inbox<T> {
    /// At most this many messages that have come. If more are left, the inbox stays readable.
    pub(crate) fn take(&self, most: usize) -> Vec<T> {
        let _ = self.bell.read();
        let messages: Vec<T> = self.receiver.try_iter().take(most).collect();
        if messages.len() == most {
            let _ = self.bell.write(1);
        }
        messages
    }

    /// Readable when there are messages.
    pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_wakes_again() {
        let (post, inbox) = queue().unwrap();
        for number in 0..5 {
            post.send(number);
        }
        assert_eq!(inbox.take(3), [0, 1, 2]);
        assert_eq!(inbox.bell.read(), Ok(1), "two are left");
        assert_eq!(inbox.take(3), [3, 4]);
        assert!(inbox.bell.read().is_err());
    }
}
