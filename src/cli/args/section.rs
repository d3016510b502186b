//! What `director failover` and `director announce` share: verbs about sections of the service file.

use clap::Args as ClapArgs;

use super::Form;

#[derive(Debug, Default, ClapArgs)]
pub(crate) struct SectionStatus {
    /// Only this section of the service file.
    #[arg(value_name = "NAME")]
    pub(crate) section: Option<String>,
    #[command(flatten)]
    pub(crate) form: Form,
}

// No doc comment: clap would print it as the help of the verbs.
#[derive(Debug, ClapArgs)]
pub(crate) struct Undo {
    /// Section of the service file; all sections without it.
    #[arg(value_name = "NAME")]
    pub(crate) section: Option<String>,
    /// Reason, shown by `director events`.
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
}
