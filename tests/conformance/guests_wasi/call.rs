//! A guest that makes HTTP requests through `wasi:http`. What it is asked: method, authority, path and body.
use world::outgoing_handler::handle;
use world::streams::StreamError;
use world::types::{ErrorCode, Fields, IncomingBody, Method, OutgoingBody, OutgoingRequest, Scheme};

struct Probe;

fn read_all(body: &IncomingBody) -> Result<Vec<u8>, String> {
    let stream = body.stream().expect("it is taken once");
    let mut data = Vec::new();
    loop {
        match stream.blocking_read(4096) {
            Ok(part) => data.extend(part),
            Err(StreamError::Closed) => return Ok(data),
            Err(StreamError::LastOperationFailed(_)) => return Err("broken off".into()),
        }
    }
}

fn called(method: &str, authority: &str, path: &str, body: Option<&str>) -> Result<String, String> {
    let headers = Fields::new();
    headers.append("X-Mine", b"a b").map_err(|error| format!("{error:?}"))?;
    let refused = ["Host", "X Mine"].iter().filter(|name| headers.append(name, b"a b").is_err()).count();
    let request = OutgoingRequest::new(headers);
    let method = match method {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        "POST" => Method::Post,
        other => Method::Other(other.into()),
    };
    request.set_method(&method).map_err(|()| "method")?;
    request.set_scheme(Some(&Scheme::Http)).map_err(|()| "scheme")?;
    request.set_authority(Some(authority)).map_err(|()| "authority")?;
    request.set_path_with_query(Some(path)).map_err(|()| "path")?;
    let outgoing = request.body().expect("it is taken once");
    let failed = |error: ErrorCode| format!("{error:?}");
    let response = handle(request, None).map_err(failed)?;
    if let Some(body) = body {
        let stream = outgoing.write().expect("it is taken once");
        for part in body.as_bytes().chunks(4096) {
            stream.blocking_write_and_flush(part).map_err(|error| format!("{error:?}"))?;
        }
    }
    OutgoingBody::finish(outgoing, None).map_err(failed)?;
    response.subscribe().block();
    let response = response.get().expect("it was waited for").expect("it is taken once").map_err(failed)?;
    let twice: Vec<_> = response.headers().get("x-twice").into_iter().map(|value| String::from_utf8(value).unwrap()).collect();
    let data = read_all(&response.consume().expect("it is taken once"))?;
    Ok(format!("{} refused {refused} {}\n{}", response.status(), twice.join(" "), String::from_utf8_lossy(&data)))
}

impl world::exports::Probe for Probe {
    fn look(what: String) -> String {
        let mut parts = what.splitn(4, ' ');
        let mut next = || parts.next().unwrap_or_default();
        let (method, authority, path) = (next(), next(), next());
        called(method, authority, path, parts.next()).unwrap_or_else(|error| error)
    }
}

world::export!(Probe);
