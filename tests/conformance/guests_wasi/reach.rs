//! A guest that reaches for folders through Rust's standard library.
use std::fs;
use std::io::{Error, Write};
use std::path::Path;

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

fn names(path: &Path) -> Result<String, Error> {
    let found: Result<Vec<_>, Error> = fs::read_dir(path)?.map(|entry| Ok(entry?.file_name().into_string().unwrap())).collect();
    let mut names = found?;
    names.sort();
    Ok(names.join(" "))
}

/// All that can be done in a folder, and what came of it.
fn files() -> Result<String, Error> {
    let folder = Path::new("/data");
    let file = folder.join("sub/a.txt");
    fs::create_dir(folder.join("sub"))?;
    fs::write(&file, "one\n")?;
    fs::OpenOptions::new().append(true).open(&file)?.write_all(b"two\n")?;
    let mut found = vec![fs::read_to_string(&file)?, fs::metadata(&file)?.len().to_string()];
    let both = fs::File::options().read(true).write(true).open(&file)?;
    both.set_len(6)?;
    both.sync_all()?;
    found.push(both.metadata()?.len().to_string());
    fs::rename(&file, folder.join("b.txt"))?;
    fs::remove_dir(folder.join("sub"))?;
    fs::hard_link(folder.join("b.txt"), folder.join("c.txt"))?;
    found.push(names(folder)?);
    found.push(fs::read_to_string(folder.join("c.txt"))?);
    found.push(fs::symlink_metadata(folder.join("up"))?.file_type().is_symlink().to_string());
    found.push(fs::copy(folder.join("b.txt"), folder.join("d.txt"))?.to_string());
    for name in ["b.txt", "c.txt", "d.txt"] {
        fs::remove_file(folder.join(name))?;
    }
    Ok(found.join(","))
}

/// What is not there, not allowed or not what it is taken for.
fn failures() -> String {
    let at = |name: &str| Path::new("/data").join(name);
    [
        said(fs::read_to_string(at("none"))),
        said(fs::read_to_string(at("../outside.txt"))),
        said(fs::read_to_string("/etc/passwd")),
        said(fs::read_to_string(at("up"))),
        said(fs::read_to_string(at("loop"))),
        said(fs::read_to_string(at("plain.txt/x"))),
        said(names(&at("plain.txt"))),
        done(fs::File::options().write(true).create_new(true).open(at("plain.txt")).map(|_| ())),
        done(fs::create_dir(at("dir"))),
        done(fs::remove_dir(at("dir"))),
        done(fs::remove_dir(at("plain.txt"))),
        done(fs::remove_file(at("dir"))),
        done(fs::remove_file(at("none"))),
        said(fs::read_link(at("plain.txt")).map(|path| path.display().to_string())),
        done(fs::rename(at("none"), at("other"))),
        done(fs::set_permissions(at("none"), fs::metadata("/data").unwrap().permissions())),
    ]
    .join(" ")
}

impl world::exports::Probe for Probe {
    fn look(what: String) -> String {
        match what.as_str() {
            "given" => said(names(Path::new("/data"))),
            "files" => said(files()),
            "failures" => failures(),
            _ => "no such probe".into(),
        }
    }
}

world::export!(Probe);
