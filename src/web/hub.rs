//! Where the reader puts news and each page's stream takes them from: numbered, and bounded.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use axum::body::Bytes;
use ipvs::ServiceKey;
use tokio::sync::{Notify, broadcast};

use super::model::{Model, Piece, Topic};
use super::table::text;

/// The most pages at a time.
pub(super) const VIEWERS: usize = 256;
/// The most services that pages show at a time, besides the overview.
const SERVICES: usize = 64;
/// News that wait for a page; one that is further behind is disconnected.
const BEHIND: usize = 64;
/// News that are kept for pages that come back: how many, and how many bytes.
const KEPT: (usize, usize) = (256, 4 * 1024 * 1024);
/// The reader goes on for this long after the last page has gone: it may only be loading again.
const LINGER: Duration = Duration::from_secs(10);

/// News with its number.
#[derive(Debug)]
pub(super) struct Message {
    number: u64,
    topic: Topic,
    /// As it goes to the browser.
    pub(super) frame: Bytes,
}

#[derive(Debug)]
pub(super) struct Hub {
    inner: Mutex<Inner>,
    sender: broadcast::Sender<Arc<Message>>,
    /// Something wants a reading before its time.
    pub(super) wake: Notify,
}

#[derive(Debug)]
struct Inner {
    pub(super) model: Model,
    /// Distinguishes the numbers of this process from those of another one.
    epoch: u64,
    next: u64,
    kept: VecDeque<Arc<Message>>,
    size: usize,
    viewers: HashMap<Topic, usize>,
    left: Option<Instant>,
    answer: Answering,
}

/// When the director last answered, and why it does not.
#[derive(Debug, Default)]
struct Answering {
    at_ms: Option<u64>,
    why: Option<String>,
}

/// The place of a page. Dropping it frees the place.
#[derive(Debug)]
pub(super) struct Seat {
    hub: Arc<Hub>,
    topic: Topic,
    /// What the page needs first.
    pub(super) first: Vec<Bytes>,
    pub(super) news: broadcast::Receiver<Arc<Message>>,
}

impl Seat {
    pub(super) fn wants(&self, message: &Message) -> bool {
        is_for(message.topic, self.topic)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut inner = self.hub.lock();
        let Some(count) = inner.viewers.get_mut(&self.topic) else {
            return;
        };
        *count -= 1;
        if *count == 0 {
            inner.viewers.remove(&self.topic);
            if let Topic::Service(key) = &self.topic {
                inner.model.close(key);
            }
        }
        inner.left = Some(Instant::now());
    }
}

impl Hub {
    pub(super) fn new() -> Self {
        Self {
            inner: Mutex::new(Inner {
                model: Model::default(),
                epoch: now_ms(),
                next: 1,
                kept: VecDeque::new(),
                size: 0,
                viewers: HashMap::new(),
                left: None,
                answer: Answering::default(),
            }),
            sender: broadcast::channel(BEHIND).0,
            wake: Notify::new(),
        }
    }

    /// A place for a page that last saw the news of this number; `None` if all are taken.
    pub(super) fn join(self: &Arc<Self>, topic: Topic, last: Option<&str>) -> Option<Seat> {
        let mut inner = self.lock();
        let is_service = |topic: &Topic| matches!(topic, Topic::Service(_));
        let is_another = is_service(&topic) && !inner.viewers.contains_key(&topic);
        let services = inner.viewers.keys().filter(|topic| is_service(topic));
        if inner.viewers.values().sum::<usize>() >= VIEWERS
            || is_another && services.count() >= SERVICES
        {
            return None;
        }
        *inner.viewers.entry(topic).or_default() += 1;
        let mut first = inner.first(topic, last);
        first.push(inner.answer.frame());
        // Before anything else can be sent.
        let news = self.sender.subscribe();
        drop(inner);
        self.wake.notify_one();
        Some(Seat {
            news,
            hub: Arc::clone(self),
            topic,
            first,
        })
    }

    /// Whether a page is open, or was a moment ago.
    pub(super) fn is_viewed(&self) -> bool {
        let inner = self.lock();
        let lingers = inner.left.is_some_and(|left| left.elapsed() < LINGER);
        !inner.viewers.is_empty() || lingers
    }

    pub(super) fn shows(&self, topic: Topic) -> bool {
        self.lock().viewers.contains_key(&topic)
    }

    /// The services that pages show.
    pub(super) fn services(&self) -> Vec<ServiceKey> {
        let inner = self.lock();
        let key = |topic: &Topic| match topic {
            Topic::Service(key) => Some(*key),
            _ => None,
        };
        inner.viewers.keys().filter_map(key).collect()
    }

    /// Changes the model, and sends what became of it.
    pub(super) fn change<I: IntoIterator<Item = Piece>>(
        &self,
        change: impl FnOnce(&mut Model) -> I,
    ) {
        let mut inner = self.lock();
        for piece in change(&mut inner.model) {
            let message = inner.number(&piece);
            // An error means that no page is open.
            let _ = self.sender.send(message);
        }
    }

    /// Nobody looks any more.
    pub(super) fn forget(&self) {
        let mut inner = self.lock();
        inner.model = Model::default();
        inner.kept.clear();
        inner.size = 0;
    }

    /// The director answered just now, or did not, and why.
    pub(super) fn answered(&self, result: Result<(), String>) {
        let mut inner = self.lock();
        match result {
            Ok(()) => {
                inner.answer = Answering {
                    at_ms: Some(now_ms()),
                    why: None,
                }
            }
            Err(why) => inner.answer.why = Some(why),
        }
    }

    /// Tells all pages how old the news are.
    pub(super) fn beat(&self) {
        let frame = self.lock().answer.frame();
        let _ = self.sender.send(Arc::new(Message {
            number: 0,
            topic: Topic::All,
            frame,
        }));
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// What a page needs first: the news since those that it has, or everything.
    fn first(&self, topic: Topic, last: Option<&str>) -> Vec<Bytes> {
        if let Some(last) = last.and_then(|last| self.known(last)) {
            let missed = self.kept.iter().filter(|one| one.number > last);
            let missed = missed.filter(|one| is_for(one.topic, topic));
            return missed.map(|one| one.frame.clone()).collect();
        }
        let pieces = self.model.whole(topic);
        let frame = |piece: &Piece| self.frame(self.next - 1, piece);
        pieces.iter().map(frame).collect()
    }

    /// The number in an id, if all news since then are kept.
    fn known(&self, id: &str) -> Option<u64> {
        let (epoch, number) = id.split_once('-')?;
        let (epoch, number): (u64, u64) = (epoch.parse().ok()?, number.parse().ok()?);
        let oldest = self.kept.front()?.number;
        (epoch == self.epoch && number < self.next && number + 1 >= oldest).then_some(number)
    }

    fn number(&mut self, piece: &Piece) -> Arc<Message> {
        let message = Arc::new(Message {
            number: self.next,
            topic: piece.topic,
            frame: self.frame(self.next, piece),
        });
        self.next += 1;
        self.size += message.frame.len();
        self.kept.push_back(Arc::clone(&message));
        while self.kept.len() > KEPT.0 || self.size > KEPT.1 {
            let Some(oldest) = self.kept.pop_front() else {
                break;
            };
            self.size -= oldest.frame.len();
        }
        message
    }

    fn frame(&self, number: u64, piece: &Piece) -> Bytes {
        let (epoch, event, data) = (self.epoch, piece.event, &piece.data);
        format!("id: {epoch}-{number}\nevent: {event}\ndata: {data}\n\n").into()
    }
}

impl Answering {
    fn frame(&self) -> Bytes {
        let at = self.at_ms.map_or("null".to_owned(), |at| at.to_string());
        let why = self.why.as_deref().map_or("null".to_owned(), text);
        let now = now_ms();
        format!("event: beat\ndata: {{\"at\":{at},\"now\":{now},\"why\":{why}}}\n\n").into()
    }
}

/// Whether pages of a topic get news of another one.
fn is_for(news: Topic, page: Topic) -> bool {
    news == Topic::All || news == page
}

pub(super) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    u64::try_from(since.unwrap_or_default().as_millis()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::model::piece;

    fn news(hub: &Hub, topic: Topic, data: &str) {
        hub.change(|_| [piece(topic, "event", data.to_owned())]);
    }

    fn texts(seat: &Seat) -> Vec<String> {
        let texts = seat
            .first
            .iter()
            .map(|frame| String::from_utf8_lossy(frame).into_owned());
        texts.filter(|text| !text.contains("event: beat")).collect()
    }

    fn id(text: &str) -> String {
        text.lines()
            .next()
            .unwrap()
            .strip_prefix("id: ")
            .unwrap()
            .to_owned()
    }

    #[test]
    fn a_page_that_comes_back_gets_what_it_missed_and_no_more() {
        let hub = Arc::new(Hub::new());
        news(&hub, Topic::All, "1");
        let mut seat = hub.join(Topic::Overview, None).unwrap();
        news(&hub, Topic::All, "2");
        let seen = String::from_utf8(seat.news.try_recv().unwrap().frame.to_vec()).unwrap();
        news(
            &hub,
            Topic::Service(ServiceKey::tcp([192, 0, 2, 1], 1)),
            "3",
        );
        news(&hub, Topic::Overview, "4");
        let back = hub.join(Topic::Overview, Some(&id(&seen))).unwrap();
        let texts = texts(&back);
        assert_eq!(texts.len(), 1, "{texts:?}");
        assert!(texts[0].ends_with("data: 4\n\n"));
    }

    #[test]
    fn a_number_that_is_not_kept_or_not_ours_gets_everything() {
        let hub = Arc::new(Hub::new());
        news(&hub, Topic::All, "1");
        let first = id(&String::from_utf8_lossy(&hub.lock().kept[0].frame));
        for _ in 0..KEPT.0 + 1 {
            news(&hub, Topic::All, "2");
        }
        for id in [
            first.as_str(),
            "7-3",
            "x",
            "-",
            "99999999999999999999999-1",
            "1-2-3",
        ] {
            assert_eq!(hub.lock().known(id), None, "{id}");
        }
        assert_eq!(hub.lock().kept.len(), KEPT.0);
    }

    #[test]
    fn places_are_counted_and_freed() {
        let hub = Arc::new(Hub::new());
        let seats: Vec<_> = (0..VIEWERS)
            .map(|_| hub.join(Topic::Overview, None).unwrap())
            .collect();
        assert!(hub.join(Topic::Overview, None).is_none());
        drop(seats);
        let service = |port| Topic::Service(ServiceKey::tcp([192, 0, 2, 1], port));
        let ports = 1..=u16::try_from(SERVICES).unwrap();
        let _seats: Vec<_> = ports
            .map(|port| hub.join(service(port), None).unwrap())
            .collect();
        assert!(hub.join(service(9999), None).is_none());
        assert!(hub.join(service(1), None).is_some());
        assert!(hub.join(Topic::Overview, None).is_some());
    }
}
