//! Tags that a session's recordings get and lose while it goes on.

use super::*;

fn texts(tags: &[&str]) -> Vec<String> {
    tags.iter().map(ToString::to_string).collect()
}

fn tag(bench: &mut Bench, add: &[&str], remove: &[&str]) -> usize {
    let (session, before) = (bench.session(), bench.kept.len());
    bench.input(Input::Order(Order::Tag { session, add: texts(add), remove: texts(remove) }));
    bench.kept.len() - before
}

fn tags(bench: &Bench) -> Vec<String> {
    bench.srs.portrait(bench.session()).unwrap().tags
}

fn told(bench: &Bench) -> Vec<(Vec<String>, Vec<String>)> {
    let told = |event| if let Event::Tagged { add, remove } = event { Some((add, remove)) } else { None };
    bench.events().into_iter().filter_map(told).collect()
}

#[test]
fn what_changes_is_written_down_once_and_goes_on_over_a_crash() {
    let rules = Rules { tags: texts(&["berlin"]), ..Rules::default() };
    let mut bench = Bench::with(Policy { peers: [super::peers::local("sbc", rules)].to_vec(), ..policy() });
    Call::set_up(&mut bench, "a");
    assert_eq!(tags(&bench), ["berlin"]);
    assert_eq!(tag(&mut bench, &["claim", "berlin"], &["nothing"]), 2, "the event, and a checkpoint");
    assert_eq!(tag(&mut bench, &["claim"], &["nothing"]), 0, "it is so already");
    assert_eq!(tag(&mut bench, &["seen", "both"], &["berlin", "both"]), 2);
    assert_eq!(tags(&bench), ["claim", "seen"]);
    let changes = [(texts(&["claim"]), texts(&[])), (texts(&["seen"]), texts(&["berlin"]))];
    assert_eq!(told(&bench), changes, "nothing that was so already");
    // The successor's peers have no tags: the session's are its own.
    let mut next = super::restart::successor(&bench, Duration::from_millis(300), false);
    assert_eq!(tags(&next), ["claim", "seen"]);
    assert_eq!(tag(&mut next, &[], &["claim", "seen"]), 2);
    assert!(tags(&next).is_empty() && tags(&super::restart::successor(&next, Duration::ZERO, false)).is_empty());
}

#[test]
fn more_tags_than_a_session_may_have_change_nothing_and_fewer_always_may() {
    let many: Vec<String> = (0..=MAX_TAGS).map(|n| n.to_string()).collect();
    let rules = Rules { tags: many.clone(), ..Rules::default() };
    for (rules, before) in [(Rules::default(), 0), (rules, MAX_TAGS + 1)] {
        let mut bench = Bench::with(Policy { peers: [super::peers::local("sbc", rules)].to_vec(), ..policy() });
        Call::set_up(&mut bench, "a");
        let more: Vec<&str> = many.iter().map(String::as_str).chain(["more"]).collect();
        assert_eq!((tag(&mut bench, &more, &[]), tags(&bench).len()), (0, before));
    }
    let rules = Rules { tags: many, ..Rules::default() };
    let mut bench = Bench::with(Policy { peers: [super::peers::local("sbc", rules)].to_vec(), ..policy() });
    Call::set_up(&mut bench, "a");
    assert_eq!((tag(&mut bench, &["other"], &["0"]), tags(&bench).len()), (2, MAX_TAGS + 1));
}

#[test]
fn before_it_is_answered_and_after_its_end_nothing_is_tagged() {
    let mut bench = Bench::new();
    let mut call = Call::set_up(&mut bench, "a");
    let mut next = super::restart::successor(&bench, Duration::from_millis(300), true);
    let session = bench.session();
    next.input(Input::Order(Order::Tag { session, add: texts(&["early"]), remove: Vec::new() }));
    assert!(told(&next).is_empty() && next.srs.portrait(session).unwrap().tags.is_empty(), "its ports are not there");
    let bye = call.request("BYE", "", "");
    bench.send(&bye);
    assert_eq!(tag(&mut bench, &["late"], &[]), 0);
}
