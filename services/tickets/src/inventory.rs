//! The door to the inventory: commands wait in a bounded queue and are decided in batches.
//!
//! Each lane has its share of the queue. A lane takes whatever waits there at that moment, up to a batch, decides it in
//! one transaction and answers everybody; meanwhile the next batch gathers. Alone, a command does not wait; under load
//! the batches grow by themselves, and the cost of a commit is shared. What is asked of one section goes to one lane,
//! so that lanes rarely wait for each other's locks.

mod taken;

use std::collections::BTreeSet;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::{Duration, Instant};

use deadpool_postgres::Pool;
use livehouse_contract::id::HoldId;
use livehouse_contract::metric;
use livehouse_platform::bus::outbox::Bell;
use livehouse_platform::retry::Backoff;
use livehouse_platform::stop::Tasks;
use livehouse_platform::telemetry;
use tokio::sync::{mpsc, oneshot};
use tracing::field::Empty;
use tracing::{Instrument as _, Span};

use self::taken::TakenSeats;
use crate::catalogue::Catalogue;
use crate::domain::command::{Command, Outcome, Refusal};
use crate::domain::decide::{Again, Decision};
use crate::domain::hold::EventNumber;
use crate::guard::Guard;
use crate::live::announce::{Announcer, EventChange};
use crate::store::batch;

/// Commands of one transaction.
pub const BATCH_COMMANDS_MAX: usize = 256;
/// Commands that may wait. More would only wait longer than anybody wants.
pub const QUEUE_COMMANDS_MAX: usize = 4_096;
/// After this time nobody waits for the answer any more: the gateway gives up at three seconds.
const PATIENCE: Duration = Duration::from_millis(2_500);
/// How often one command may be put off because of others.
const ROUNDS_MAX: u32 = 12;
/// The longest one transaction may take.
const TRANSACTION_DEADLINE: Duration = Duration::from_secs(5);

/// Why there is no outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// Too much is waiting, or the database is away. Sending the same command again is safe.
    #[error("the inventory is busy")]
    Busy,
    /// The database refused what the command was to write; the log says what.
    #[error("the inventory failed")]
    Failed,
}

struct Waiting {
    command: Command,
    answer: Option<oneshot::Sender<Result<Outcome, Unavailable>>>,
    asked_at: Instant,
    rounds: u32,
    /// Of whoever asked: the batch belongs to its trace.
    span: Span,
}

impl Waiting {
    fn answer(mut self, outcome: Result<Outcome, Unavailable>) {
        if let Some(answer) = self.answer.take() {
            // Whoever asked may have gone; the outcome stands all the same.
            let _gone = answer.send(outcome);
        }
    }

    fn is_too_late(&self) -> bool {
        self.asked_at.elapsed() > PATIENCE || self.rounds > ROUNDS_MAX
    }
}

/// What one transaction came to.
struct Carried {
    /// A decision for every command, in order.
    decisions: Vec<Decision>,
    changed_holds: usize,
}

/// The inventory of this replica. Cheap to clone.
#[derive(Clone)]
pub struct Inventory {
    lanes: Arc<[mpsc::Sender<Waiting>]>,
    shared: Arc<Shared>,
}

struct Shared {
    pool: Pool,
    catalogue: Arc<Catalogue>,
    announcer: Announcer,
    bell: Bell,
    taken: TakenSeats,
}

impl Inventory {
    /// Starts `lanes` lanes over `pool`, which must have at least as many connections. They run until the last clone of
    /// this is dropped.
    #[must_use]
    pub fn start(
        pool: Pool,
        catalogue: Arc<Catalogue>,
        announcer: Announcer,
        bell: Bell,
        lanes: usize,
        tasks: &Tasks,
    ) -> Self {
        let shared = Arc::new(Shared { pool, catalogue, announcer, bell, taken: TakenSeats::default() });
        let lanes = (0..lanes).map(|_| {
            let (queue, waiting) = mpsc::channel(QUEUE_COMMANDS_MAX / lanes);
            tasks.spawn("lane of the inventory", lane(shared.clone(), waiting));
            queue
        });
        Self { lanes: lanes.collect(), shared }
    }

    /// What becomes of `command`.
    pub async fn ask(&self, command: Command) -> Result<Outcome, Unavailable> {
        if let Some(refusal) = self.shared.refuse_at_once(&command) {
            return Ok(Outcome::Refused(refusal));
        }
        let (answer, outcome) = oneshot::channel();
        let waiting = Waiting {
            command,
            answer: Some(answer),
            asked_at: Instant::now(),
            rounds: 0,
            span: Span::current(),
        };
        let lane = lane_of(&waiting.command, self.lanes.len());
        if self.lanes[lane].try_send(waiting).is_err() {
            telemetry::count(&metric::INVENTORY_SHED, 1, &[]);
            return Err(Unavailable::Busy);
        }
        match tokio::time::timeout(PATIENCE + TRANSACTION_DEADLINE, outcome).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) | Err(_) => Err(Unavailable::Busy),
        }
    }

    /// Hears what a commit changed, here or in another replica.
    pub fn hear(&self, event: EventNumber, change: &EventChange) {
        for section in &change.sections {
            self.shared.taken.hear(event, section);
        }
    }

    /// Clears overdue holds away, in a transaction of its own beside the lanes. Answers how many it cleared.
    pub async fn expire(&self, holds: Vec<HoldId>) -> Result<usize, batch::Error> {
        let commands: Vec<Command> = holds.into_iter().map(|hold| Command::Expire { hold }).collect();
        match self.shared.decide(&commands.iter().collect::<Vec<_>>()).await {
            Ok(carried) => Ok(carried.changed_holds),
            Err(error) if error.is_refused_write() => Ok(self.expire_singly(&commands).await),
            Err(error) => Err(error),
        }
    }

    /// One hold that cannot be cleared away must not keep the others.
    async fn expire_singly(&self, commands: &[Command]) -> usize {
        let mut cleared = 0;
        for command in commands {
            match self.shared.decide(&[command]).await {
                Ok(carried) => cleared += carried.changed_holds,
                Err(error) => {
                    telemetry::count(&metric::INVENTORY_REFUSED_WRITES, 1, &[]);
                    tracing::error!(
                        ?command,
                        error = chain(&error),
                        "an overdue hold could not be cleared away"
                    );
                }
            }
        }
        cleared
    }
}

/// An error with all its causes, for the log.
fn chain(error: &batch::Error) -> String {
    let causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    std::iter::once(error.to_string()).chain(causes.map(ToString::to_string)).collect::<Vec<_>>().join(": ")
}

/// The lane that decides `command`: that of its first section, or any for a hold whose sections are not known here.
fn lane_of(command: &Command, lanes: usize) -> usize {
    let mut hasher = std::hash::DefaultHasher::new();
    match command {
        Command::Place(place) => {
            let seated = place.seats.first().map(|item| item.section);
            (place.event, seated.or_else(|| place.areas.first().map(|item| item.area))).hash(&mut hasher);
        }
        _ => command.hold().hash(&mut hasher),
    }
    (hasher.finish() % lanes as u64) as usize
}

async fn lane(shared: Arc<Shared>, mut waiting: mpsc::Receiver<Waiting>) {
    loop {
        let mut batch = Vec::with_capacity(BATCH_COMMANDS_MAX);
        if waiting.recv_many(&mut batch, BATCH_COMMANDS_MAX).await == 0 {
            return;
        }
        telemetry::record(&metric::BATCH_COMMANDS, batch.len() as f64, &[]);
        let span =
            tracing::debug_span!(parent: None, "batch", batch.commands = batch.len(), trace_id = Empty);
        let span = telemetry::gathered(span, batch.iter().map(|waiting| &waiting.span));
        shared.carry_out(batch).instrument(span).await;
    }
}

impl Shared {
    /// A refusal that needs no database: somebody else was just seen to have a wanted seat.
    fn refuse_at_once(&self, command: &Command) -> Option<Refusal> {
        let Command::Place(place) = command else { return None };
        let event = self.catalogue.numbered(place.event)?;
        // A hold whose seats are replaced keeps some of them itself; and a closed sale has its own answer.
        if place.replaces.is_some()
            || !event.row.rules.is_on_sale(self.catalogue.now())
            || Guard::SeatsAreLookedAt.is_off()
        {
            return None;
        }
        let seats = self.taken.of(place, Instant::now());
        if seats.is_empty() {
            return None;
        }
        telemetry::count(&metric::INVENTORY_REFUSED_AT_ONCE, 1, &[]);
        Some(Refusal::Taken { seats, areas: vec![] })
    }

    /// One transaction, and what follows a commit: the live view and the other services are told.
    async fn decide(&self, commands: &[&Command]) -> Result<Carried, batch::Error> {
        let started = Instant::now();
        let running = batch::run(&self.pool, &self.catalogue, commands);
        let decided = tokio::time::timeout(TRANSACTION_DEADLINE, running)
            .await
            .map_err(|_| batch::Error::Late(TRANSACTION_DEADLINE))??;
        telemetry::record(&metric::BATCH_DURATION, started.elapsed().as_secs_f64(), &[]);
        self.taken.learn(&decided.world, started, |event, seat| {
            Some(self.catalogue.numbered(event)?.layout.index.seat(seat)?.section)
        });
        let changed_holds = decided.changes().changed.len();
        if !decided.changes().is_empty() {
            self.bell.ring();
            self.announcer.announce(decided.world).await;
        }
        Ok(Carried { decisions: decided.decisions, changed_holds })
    }

    /// Decides a batch until everybody in it has an answer.
    async fn carry_out(&self, mut batch: Vec<Waiting>) {
        let mut backoff = Backoff::new(Duration::from_millis(20), Duration::from_millis(500));
        while !batch.is_empty() {
            let (late, current): (Vec<_>, Vec<_>) = batch.into_iter().partition(Waiting::is_too_late);
            for waiting in late {
                telemetry::count(&metric::INVENTORY_SHED, 1, &[]);
                waiting.answer(Err(Unavailable::Busy));
            }
            batch = current;
            if batch.is_empty() {
                return;
            }
            let decided =
                self.decide(&batch.iter().map(|waiting| &waiting.command).collect::<Vec<_>>()).await;
            batch = match decided {
                Ok(decided) => self.answer(batch, decided.decisions).await,
                Err(error) if error.is_refused_write() => self.carry_out_singly(batch).await,
                Err(error) => {
                    tracing::warn!(error = chain(&error), "a batch could not be decided and is tried again");
                    telemetry::count(&metric::BATCH_FAILURES, 1, &[]);
                    tokio::time::sleep(backoff.next_delay()).await;
                    batch
                }
            };
        }
    }

    /// Answers what is decided; what is left must come again, behind what stands in its way.
    async fn answer(&self, batch: Vec<Waiting>, decisions: Vec<Decision>) -> Vec<Waiting> {
        let mut again = Vec::new();
        let mut obstacles = BTreeSet::new();
        let mut reload = false;
        for (mut waiting, decision) in batch.into_iter().zip(decisions) {
            match decision {
                Decision::Final(outcome) => waiting.answer(Ok(outcome)),
                Decision::Again(why) => {
                    match why {
                        Again::NextBatch => {}
                        Again::AfterExpiry(holds) => obstacles.extend(holds),
                        Again::EventChanged => reload = true,
                    }
                    waiting.rounds += 1;
                    again.push(waiting);
                }
            }
        }
        if reload && let Err(error) = self.catalogue.reload().await {
            tracing::warn!(error = format!("{error:#}"), "the catalogue could not be read again");
        }
        // A command that was priced from an older catalogue is priced anew by whoever asked.
        let mut batch: Vec<Waiting> = obstacles
            .into_iter()
            .map(|hold| Waiting {
                command: Command::Expire { hold },
                answer: None,
                asked_at: Instant::now(),
                rounds: 0,
                span: Span::none(),
            })
            .collect();
        batch.extend(again.into_iter().filter_map(|waiting| self.priced_anew(waiting)));
        batch
    }

    fn priced_anew(&self, mut waiting: Waiting) -> Option<Waiting> {
        if let Command::Place(place) = &mut waiting.command
            && let Some(event) = self.catalogue.numbered(place.event)
            && event.row.rules.version != place.event_version
            && !crate::api::wish::price(&event, place)
        {
            // The event no longer sells what was asked for; the caller asks again and is told so.
            waiting.answer(Err(Unavailable::Busy));
            return None;
        }
        Some(waiting)
    }

    /// Decides every command alone, so that one refused write costs only its own command.
    async fn carry_out_singly(&self, batch: Vec<Waiting>) -> Vec<Waiting> {
        let mut again = Vec::new();
        for waiting in batch {
            if waiting.is_too_late() {
                // Nobody waits for it any more: it must not take effect.
                again.push(waiting);
                continue;
            }
            match self.decide(&[&waiting.command]).await {
                Ok(decided) => again.extend(self.answer(vec![waiting], decided.decisions).await),
                Err(error) if error.is_refused_write() => {
                    // Somebody else's transaction may have got there first: the next look decides by what it left.
                    let mut waiting = waiting;
                    waiting.rounds += 4;
                    if waiting.is_too_late() {
                        tracing::error!(error = chain(&error), "the database refused a command");
                        telemetry::count(&metric::INVENTORY_REFUSED_WRITES, 1, &[]);
                        waiting.answer(Err(Unavailable::Failed));
                    } else {
                        again.push(waiting);
                    }
                }
                Err(_) => again.push(waiting),
            }
        }
        again
    }
}
