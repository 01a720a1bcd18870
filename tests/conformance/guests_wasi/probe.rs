//! A guest that looks at its world through Rust's standard library. What it cannot do it tells with the error's number.
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::io::{Error, Read, Write};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use std::{env, fs, io, process, thread};

struct Probe;

fn said(found: Result<impl ToString, Error>) -> String {
    match found {
        Ok(value) => value.to_string(),
        Err(error) => format!("{:?} {:?}", error.kind(), error.raw_os_error()),
    }
}

fn done(found: Result<(), Error>) -> String {
    said(found.map(|()| "done"))
}

fn printed() -> Result<(), Error> {
    for number in 0..3 {
        println!("grüße {number}");
        eprintln!("GRÜSSE {number}");
    }
    io::stdout().flush()
}

fn flood() -> Result<(), Error> {
    for number in 0..100 {
        println!("{number:01000}");
    }
    io::stdout().flush()
}

fn naps() -> bool {
    let begin = Instant::now();
    for ms in [0, 10, 20] {
        thread::sleep(Duration::from_millis(ms));
    }
    begin.elapsed() >= Duration::from_millis(30)
}

fn ordered() -> bool {
    let times: Vec<Instant> = (0..100).map(|_| Instant::now()).collect();
    times.windows(2).all(|pair| pair[0] <= pair[1])
}

fn different() -> bool {
    let seeds = || RandomState::new().build_hasher().finish();
    let first = seeds();
    (0..50).any(|_| seeds() != first)
}

/// What a workflow may see of time and chance, around an hour of sleep.
fn history() -> String {
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
    let before = now();
    thread::sleep(Duration::from_secs(3600));
    format!("[{before},{},\"{:x}\"]", now(), RandomState::new().build_hasher().finish())
}

impl world::exports::Probe for Probe {
    fn look(what: String) -> String {
        match what.as_str() {
            "environment" => env::vars().count().to_string(),
            "arguments" => env::args().count().to_string(),
            "variable" => env::var("HOME").unwrap_or_else(|error| error.to_string()),
            "folder" => said(env::current_dir().map(|path| path.display().to_string())),
            "list" => said(fs::read_dir(".").map(|found| found.count())),
            "list-root" => said(fs::read_dir("/").map(|found| found.count())),
            "open" => said(fs::read_to_string("/etc/hostname")),
            "up" => said(fs::read_to_string("../../etc/hostname")),
            "create" => done(fs::write("new.txt", "x")),
            "mkdir" => done(fs::create_dir("new")),
            "stat" => said(fs::metadata("/etc").map(|found| found.len())),
            "rename" => done(fs::rename("a", "b")),
            "unlink" => done(fs::remove_file("a")),
            "stdin" => said(io::stdin().read(&mut [0; 10])),
            "write" => done(printed()),
            "flood" => done(flood()),
            "different" => different().to_string(),
            "ordered" => ordered().to_string(),
            "naps" => naps().to_string(),
            "history" => history(),
            "year" => (SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() > 1_700_000_000).to_string(),
            "connect" => done(std::net::TcpStream::connect("127.0.0.1:9").map(|_| ())),
            "exit" => process::exit(0),
            "exit-3" => process::exit(3),
            "abort" => process::abort(),
            "panic" => panic!("as ordered"),
            "thread" => done(thread::Builder::new().spawn(|| ()).map(|_| ())),
            _ => "no such probe".into(),
        }
    }
}

world::export!(Probe);
