//! Crashes at each operation, here alone and over a storage target; and the order in which things go there.

use super::*;

#[test]
fn a_crash_at_any_operation_leaves_it_whole_and_is_mended() {
    for seals in [false, true] {
        let codings = [FileCoding::Pcm16, FileCoding::MuLaw];
        let (expected, operations, names) = {
            let world = World::with(0, seals, &codings);
            let before = world.fake.operations();
            assert_eq!(world.all(Compression::Flac).unwrap(), Settled::Done);
            let operations = world.fake.operations() - before;
            (world.sidecar().files.into_iter().map(|file| file.sha256).collect::<Vec<_>>(), operations, world.names())
        };
        assert!(operations > 30, "{operations}");
        let (mut befores, mut afterwards) = (0, 0);
        for n in 1..=operations {
            for (seed, loss) in seeds(6, 2).map(|seed| (seed, if seed == 0 { Loss::Process } else { Loss::Power })) {
                let world = World::with(seed, seals, &codings);
                world.fake.crash_at(world.fake.operations() + n);
                let _ = world.all(Compression::Flac);
                assert!(world.fake.is_crashed(), "operation {n}");
                world.fake.restart(loss);
                let is_after = world.check();
                *(if is_after { &mut afterwards } else { &mut befores }) += 1;
                assert_eq!(world.settle().unwrap(), Settled::Done, "operation {n}, seed {seed}");
                assert_eq!(world.check(), is_after, "settling goes neither back nor on");
                assert_eq!(world.read(&format!("{ID}.json.sig")).len(), 64);
                let audio = |names: &[String]| names.iter().filter(|name| !name.ends_with(".tmp")).count();
                let (now, whole) = (world.names(), world.sidecar());
                let row = world.catalog.find(ID).unwrap().unwrap();
                assert_eq!(row.sha256, whole.files[0].sha256, "operation {n}, seed {seed}");
                assert_eq!(audio(&now), names.len(), "nothing twice, nothing lost: {now:?}");
                if !is_after {
                    assert_eq!(world.all(Compression::Flac).unwrap(), Settled::Done);
                    assert!(world.check());
                }
                let files: Vec<String> = world.sidecar().files.into_iter().map(|file| file.sha256).collect();
                assert_eq!(files, expected, "operation {n}, seed {seed}");
                assert_eq!(audio(&world.names()), names.len());
            }
        }
        assert!(befores > 40 && afterwards > 20, "{befores} of before, {afterwards} of afterwards");
    }
}

#[test]
fn a_crash_at_any_operation_over_a_target_is_mended_and_leaves_no_object() {
    let folder = tempfile::tempdir().unwrap();
    let stored = |seed: u64| {
        let mut world = World::with(seed, false, &[FileCoding::Pcm16]);
        // What waits for targets is on a disk of its own, and told anew by each settling.
        world.queue = Some(Queue::open(folder.path()).unwrap());
        world.queue.as_ref().unwrap().drop_item("far", ID).unwrap();
        world.targets = vec!["far".to_owned()];
        world.receive("far").unwrap();
        world
    };
    let all = |world: &World| {
        world.switch(Compression::Flac)?;
        let done = world.bring_to_end();
        world.queue.as_ref().unwrap().drop_item("far", ID).unwrap();
        done
    };
    let world = stored(0);
    let before = world.fake.operations();
    all(&world).unwrap();
    let operations = world.fake.operations() - before;
    let names = world.names();
    assert_eq!(names, ["ID.flac", "ID.json", "ID.json.sig", "ID.json.stored"]);
    for n in 1..=operations {
        for (seed, loss) in seeds(4, 2).map(|seed| (seed, if seed == 0 { Loss::Process } else { Loss::Power })) {
            let world = stored(seed);
            world.fake.crash_at(world.fake.operations() + n);
            let _ = all(&world);
            world.fake.restart(loss);
            let is_after = world.check();
            world.queue.as_ref().unwrap().drop_item("far", ID).unwrap();
            world.bring_to_end().unwrap();
            if !is_after {
                all(&world).unwrap();
            }
            assert!(world.check(), "operation {n}, seed {seed}");
            let receipt = Receipt::read(&*world.disk, &world.sheet()).unwrap().unwrap();
            let known = receipt.by("far").unwrap();
            assert!(
                recordings::stored_files(&world.sidecar()).all(|file| known.has(file)) && known.superseded.is_empty()
            );
            let now: Vec<_> = world.names().into_iter().filter(|name| !name.ends_with(".tmp")).collect();
            assert_eq!(now, names, "operation {n}, seed {seed}");
        }
    }
}

#[test]
fn files_of_before_go_when_each_target_has_the_new_ones() {
    let mut world = World::new(0);
    let folder = tempfile::tempdir().unwrap();
    world.queue = Some(Queue::open(folder.path()).unwrap());
    world.targets = vec!["far".to_owned()];
    world.receive("far").unwrap();
    world.receive("away").unwrap();
    world.switch(Compression::Flac).unwrap();
    let unstored = Settled::Unstored("it is still to be stored in far".to_owned());
    assert_eq!((world.settle().unwrap(), world.settle().unwrap()), (unstored.clone(), unstored));
    assert!(world.queue.as_ref().unwrap().is_queued("far", ID).unwrap(), "the outbox is told");
    assert_eq!(world.names().iter().filter(|name| name.ends_with(".wav")).count(), 2);
    assert!(world.check());

    world.receive("far").unwrap();
    let keys: Vec<String> = ["-2.wav", ".wav"].map(|end| format!("far/{ID}{end}")).into();
    assert_eq!(world.settle().unwrap(), Settled::Erase(vec![("far".to_owned(), keys.clone())]));
    assert_eq!(world.names(), ["ID-2.flac", "ID.flac", "ID.json", "ID.json.sig", "ID.json.stored"]);
    // Whoever erases it now knows of them.
    let cause = Cause { by: String::new(), reason: String::new(), ordered_at: String::new() };
    let receipt = Receipt::read(&*world.disk, &world.sheet()).unwrap();
    let order = EraseOrder::of(&world.sidecar(), DAY, receipt.as_ref(), &[], cause);
    assert!(keys.iter().all(|key| order.keys_in("far").contains(key)));
    let key = proof_key();
    world.recompressor(&key).erased(ID, "far", &keys).unwrap();
    assert!(matches!(world.settle().unwrap(), Settled::Waits(why) if why.contains("away has its files of before")));
    world.receive("away").unwrap();
    world.recompressor(&key).erased(ID, "away", &keys).unwrap();
    assert_eq!(world.settle().unwrap(), Settled::Done);
    assert!(world.check());
}
