//! What a run asks of the core in bulk, over the workspace that `bench/peers` measures: 500 projects of 25 small files.
//!
//! Run by `./dev bench --rust`.

use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use haz_core::digest::{Algorithm, digest_bytes, digest_files};
use haz_core::glob::{Entry, PatternSet};
use haz_core::tree::Tree;
use haz_core::tree::walk::{Links, resolve};
use tempfile::TempDir;

const PROJECTS: usize = 500;
const FILES: usize = 25;
const ALL: usize = PROJECTS * FILES;
/// As long as a file must have been left alone before a later process may rely on its stamp, and a little more.
const SETTLED: Duration = Duration::from_millis(2_100);

/// Source files, with names and sizes that depend on nothing but their number.
struct Workspace {
    directory: TempDir,
    paths: Vec<PathBuf>,
}

impl Workspace {
    fn new() -> Self {
        let directory = TempDir::new().expect("a temporary directory");
        let mut paths = Vec::with_capacity(ALL);
        for number in 0..ALL {
            let (project, file) = (number / FILES, number % FILES);
            let folder = directory.path().join(format!("projects/p{project:05}/src/d{}", file % 4));
            fs::create_dir_all(&folder).expect("a directory");
            let path = folder.join(format!("f{file:03}.txt"));
            // 1 to 8 KiB, in steps that are no multiple of a block.
            let content: Vec<u8> = number.to_le_bytes().repeat(128 + number * 37 % 897);
            fs::write(&path, content).expect("a file");
            paths.push(path);
        }
        Self { directory, paths }
    }

    fn root(&self) -> &Path {
        self.directory.path()
    }
}

/// The patterns of three tasks a project.
fn patterns() -> Vec<Vec<(String, bool)>> {
    (0..PROJECTS * 3)
        .map(|number| {
            let base = format!("/projects/p{:05}", number / 3);
            let mut list = vec![(format!("{base}/src/*/*.txt"), false)];
            if number % 3 == 1 {
                list.push((format!("{base}/src/gen/**"), true));
            }
            list
        })
        .collect()
}

fn entry((pattern, exclude): &(String, bool)) -> Entry<'_> {
    Entry { anchored: pattern.as_bytes(), literal: false, exclude: *exclude, group: 0 }
}

fn compile(lists: &[Vec<(String, bool)>]) -> PatternSet {
    PatternSet::new(lists.iter().map(|list| list.iter().map(entry))).expect("patterns that are right")
}

fn digest(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("digest");
    let large = vec![7; 64 << 20];
    group.throughput(Throughput::Bytes(large.len() as u64)).sample_size(20);
    group.bench_function("64 MiB in memory", |bencher| {
        bencher.iter(|| digest_bytes(black_box(&large), Algorithm::Blake3));
    });
    let workspace = Workspace::new();
    group.throughput(Throughput::Elements(ALL as u64));
    group.bench_function("12,500 small files", |bencher| {
        bencher.iter(|| {
            let digests = digest_files(&workspace.paths, Algorithm::Blake3, &[]);
            assert!(digests.iter().all(Result::is_ok));
        });
    });
    group.finish();
}

fn glob(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("glob");
    let lists = patterns();
    group.throughput(Throughput::Elements(lists.len() as u64));
    group.bench_function("compile the patterns of 1,500 tasks", |bencher| bencher.iter(|| compile(black_box(&lists))));
    let set = compile(&lists);
    let paths: Vec<String> = (0..ALL).map(|n| format!("/projects/p{:05}/src/d{}/f.txt", n / FILES, n % 4)).collect();
    group.throughput(Throughput::Elements(ALL as u64));
    group.bench_function("match 12,500 paths", |bencher| {
        bencher.iter(|| {
            let found: usize = paths.iter().map(|path| set.matching(path.as_bytes()).len()).sum();
            assert_eq!(found, 3 * ALL);
        });
    });
    group.finish();
}

fn walk(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("walk");
    let workspace = Workspace::new();
    let set = compile(&patterns());
    let every = every_spec();
    group.throughput(Throughput::Elements(ALL as u64)).sample_size(20);
    group.bench_function("find the inputs of 1,500 tasks", |bencher| {
        bencher.iter(|| assert_eq!(resolve(workspace.root(), &set, &every, Links::Follow).found.len(), ALL));
    });
    group.finish();
}

fn stat_cache(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("stat cache");
    let workspace = Workspace::new();
    let set = Arc::new(compile(&patterns()));
    let file = workspace.root().join("stat/blake3");
    let tree = |stat_cache| {
        Tree::new(workspace.root().to_owned(), Algorithm::Blake3, Arc::clone(&set), 0, stat_cache).expect("threads")
    };
    let every = every_spec();
    sleep(SETTLED);
    let first = tree(Some(file.clone()));
    assert_eq!(first.install(|| first.fingerprint(&every)).len(), every.len());
    assert!(first.memo().save(), "digests of settled files are kept");

    group.throughput(Throughput::Elements(ALL as u64)).sample_size(20);
    let mut fingerprints = |name: &str, stat_cache: Option<PathBuf>| {
        group.bench_function(name, |bencher| {
            bencher.iter_batched(
                || tree(stat_cache.clone()),
                |tree| assert_eq!(tree.install(|| tree.fingerprint(&every)).len(), every.len()),
                BatchSize::PerIteration,
            );
        });
    };
    fingerprints("fingerprint 1,500 tasks, nothing known", None);
    fingerprints("fingerprint 1,500 tasks, digests of the last process", Some(file.clone()));

    let states: Vec<_> = workspace.paths.iter().map(|path| fs::metadata(path).expect("a file")).collect();
    let second = tree(Some(file));
    group.bench_function("look 12,500 files up", |bencher| {
        bencher.iter(|| {
            let known = |(path, state)| second.memo().get(path, state).is_some();
            assert!(workspace.paths.iter().map(PathBuf::as_path).zip(&states).all(known));
        });
    });
    group.finish();
}

fn every_spec() -> Vec<u32> {
    (0..).take(PROJECTS * 3).collect()
}

criterion_group!(benches, digest, glob, walk, stat_cache);
criterion_main!(benches);
