//! `nodeinit join`: makes the node a member of the cluster that its metadata names.
//!
//! ```text
//! first boot:  user-data ─► join_words ─► Request ─► /var/lib/nodeinit/join.json
//! join:        join.json ─► flow { remains, reach, configuration ─► kubeadm ─► judge } ─► joined, token wiped
//! ```
//! Which of kubeadm's phases the flow takes is the role's matter (`roles/`).
//!
//! The unit runs only while the request is there, or the word of its refusal. A mistake is final (exit 1) and names its
//! place in user-data; a failure of the cluster is tried again for ever and says what it waits for; one of the node
//! (exit 2) is left to systemd to try again.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result};

use super::report::console;
use super::report::status::{State, Status};
use super::{durable, exit_code};
use crate::contract;
use crate::image_info::ImageInfo;

pub mod configuration;
pub mod endpoint;
pub mod flow;
pub mod join_words;
pub mod judge;
pub mod kubeadm;
pub mod live;
pub mod reach;
pub mod remains;
pub mod request;
pub mod roles;
pub mod world;

use flow::End;
use request::Request;

/// Joins and tells how it went.
pub fn run() -> ExitCode {
    match join() {
        Ok(None | Some(End::Joined)) => ExitCode::SUCCESS,
        Ok(Some(End::Mistake(text))) => {
            console::complain(&text);
            console::complain(
                "the node has not joined and will not try again; mend this, give the metadata a new instance-id, and \
                 start the node again",
            );
            let told = Status::update(|status| {
                status.state = State::Mistake;
                status.messages.push(text);
            });
            if let Err(error) = told {
                console::complain(&format!("{error:#}"));
            }
            ExitCode::from(exit_code::MISTAKE)
        }
        Err(error) => {
            let text = format!("{error:#}");
            console::complain(&text);
            console::complain("the join failed and is tried again");
            // The next attempt says it again if this cannot be written.
            let _ = Status::update(|status| status.kubernetes.waits_for = Some(text));
            ExitCode::from(exit_code::FAILURE)
        }
    }
}

/// `None`: nobody asks for a join.
fn join() -> Result<Option<End>> {
    let mut world = live::Live::default();
    if let Some(text) = durable::read(Path::new(contract::JOIN_REFUSED))? {
        flow::wipe_token(&mut world)?;
        return Ok(Some(End::Mistake(String::from_utf8_lossy(&text).into_owned())));
    }
    let Some(text) = durable::read(Path::new(contract::JOIN_REQUEST))? else { return Ok(None) };
    // A cut while the request was being wiped leaves it unreadable, and the marker.
    if durable::read(Path::new(contract::JOINED))?.is_some() {
        flow::clean_up(&mut world)?;
        return Ok(Some(End::Joined));
    }
    let request = Request::read(&text)?;
    let image = ImageInfo::read(Path::new(contract::IMAGE_INFO))?;
    let image = image.kubernetes.context("this image has no Kubernetes that could join")?;
    flow::join(&mut world, roles::workflow(request.role), &request, &image).map(Some)
}
