//! The guards that tests switch off one by one, to see that an invariant then fails and is reported.
//!
//! Without the feature `negative-controls`, which no release has, every question here is answered by a constant and
//! nothing can be switched off. Each guard is asked about in the one place that it protects.

/// A guard of the inventory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guard {
    /// The live resources of an event have one owner among the replicas (invariants 17 and 18).
    OneOwner,
    /// A batch looks at who has the wanted seats before it decides (invariants 1 and 4).
    SeatsAreLookedAt,
    /// The write that takes a seat takes only a free one (invariant 1).
    OnlyFreeSeatsAreTaken,
    /// A hold becomes tickets once (invariant 6).
    HoldsAreSoldOnce,
    /// A buyer has no more than the event allows (invariant 10).
    BuyersHaveALimit,
}

#[cfg(not(feature = "negative-controls"))]
impl Guard {
    /// Is it switched off? Never.
    pub(crate) const fn is_off(self) -> bool {
        false
    }
}

#[cfg(feature = "negative-controls")]
mod switches {
    use std::sync::OnceLock;

    use super::Guard;

    static OFF: OnceLock<Vec<Guard>> = OnceLock::new();

    impl Guard {
        const ALL: [Self; 5] = [
            Self::OneOwner,
            Self::SeatsAreLookedAt,
            Self::OnlyFreeSeatsAreTaken,
            Self::HoldsAreSoldOnce,
            Self::BuyersHaveALimit,
        ];

        /// Is it switched off?
        pub(crate) fn is_off(self) -> bool {
            OFF.get().is_some_and(|off| off.contains(&self))
        }
    }

    /// Switches guards off for the rest of this process: their names, separated by commas.
    pub fn switch_off(names: &str) -> anyhow::Result<()> {
        let guard = |name: &str| {
            let named = Guard::ALL.into_iter().find(|guard| format!("{guard:?}") == name);
            named.ok_or_else(|| {
                anyhow::anyhow!("there is no guard '{name}': expected some of {:?}", Guard::ALL)
            })
        };
        let off = names
            .split(',')
            .filter(|name| !name.is_empty())
            .map(guard)
            .collect::<anyhow::Result<Vec<_>>>()?;
        OFF.set(off).map_err(|_| anyhow::anyhow!("guards are switched off once, at the start"))
    }

    /// Tells every replica that it owns everything: what a live view without owners is.
    pub(crate) struct EverybodyOwnsEverything;

    impl res_service::Lease for EverybodyOwnsEverything {
        async fn round(
            &self,
            replica: &str,
            keys: &[String],
        ) -> Result<Vec<res_service::Holding>, res_service::BoxError> {
            let mine = |key: &String| res_service::Holding {
                key: key.clone(),
                holder: replica.to_owned(),
                epoch: 1,
            };
            Ok(keys.iter().map(mine).collect())
        }

        async fn release(&self, _: &str, _: &[String]) -> Result<(), res_service::BoxError> {
            Ok(())
        }

        fn time_to_live(&self) -> std::time::Duration {
            std::time::Duration::from_secs(3_600)
        }
    }
}

#[cfg(feature = "negative-controls")]
pub(crate) use switches::EverybodyOwnsEverything;
#[cfg(feature = "negative-controls")]
pub use switches::switch_off;
