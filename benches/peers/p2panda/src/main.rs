//! p2panda-store on SQLite as a peer:
//!
//!     p2panda-peer make FILE N     stores N signed operations of one log, with bodies of 300 bytes
//!     p2panda-peer verify FILE     reads and validates them: hashes, signatures, backlinks; prints microseconds each

use p2panda_core::{
    Body, Hash, Header, Operation, SigningKey, Timestamp, VerifyingKey, validate_backlink, validate_operation,
};
use p2panda_store::logs::LogStore;
use p2panda_store::operations::OperationStore;
use p2panda_store::sqlite::{SqliteStore, SqliteStoreBuilder};
use p2panda_store::Transaction;
use std::error::Error;
use std::time::Instant;

type Failure = Box<dyn Error + Send + Sync>;

const LOG: u64 = 1;
/// So many operations are read at once, and so many stored in one transaction.
const PAGE: u64 = 1000;
const TASKS: u64 = 2;

fn key() -> SigningKey {
    SigningKey::from_bytes(&[1; 32])
}

async fn open(file: &str) -> Result<SqliteStore, Failure> {
    Ok(SqliteStoreBuilder::new().database_url(&format!("sqlite://{file}")).build().await?)
}

async fn make(store: &SqliteStore, count: u64) -> Result<(), Failure> {
    let (key, mut backlink) = (key(), None);
    for first in (0..count).step_by(PAGE as usize) {
        let permit = store.begin().await?;
        for seq_num in first..count.min(first + PAGE) {
            let body = Body::new(&seq_num.to_be_bytes().repeat(38));
            let mut header = Header {
                version: 1,
                verifying_key: key.verifying_key(),
                signature: None,
                payload_size: body.size(),
                payload_hash: Some(body.hash()),
                timestamp: Timestamp::new(1_700_000_000 + seq_num),
                seq_num,
                backlink,
                extensions: (),
            };
            header.sign(&key);
            let hash = header.hash();
            let operation = Operation { hash, header, body: Some(body) };
            store.insert_operation(&hash, &operation, &LOG).await?;
            backlink = Some(hash);
        }
        store.commit(permit).await?;
    }
    Ok(())
}

/// Validates the operations `from..to` of the log; answers how many.
async fn verify(store: SqliteStore, author: VerifyingKey, from: u64, to: u64) -> Result<u64, Failure> {
    // The one before the first is read too, for the link to it.
    let (mut last, mut after, mut count): (Option<Operation>, _, _) = (None, from.checked_sub(2), 0);
    loop {
        let until = after.map_or(PAGE - 1, |after| after + PAGE).min(to - 1);
        let page = LogStore::<Operation, VerifyingKey, u64, u64, Hash>::get_log_entries(
            &store,
            &author,
            &LOG,
            after,
            Some(until),
        );
        for (operation, _) in page.await?.unwrap_or_default() {
            if let Some(last) = &last {
                validate_backlink(&last.header, &operation.header)?;
            }
            if operation.header.seq_num >= from {
                validate_operation(&operation)?;
                count += 1;
            }
            last = Some(operation);
        }
        after = Some(until);
        if until == to - 1 {
            return Ok(count);
        }
    }
}

async fn verify_all(store: &SqliteStore) -> Result<f64, Failure> {
    let author = key().verifying_key();
    let heights = LogStore::<Operation, VerifyingKey, u64, u64, Hash>::get_log_heights(store, &author, &[LOG]);
    let size = heights.await?.and_then(|heights| heights.get(&LOG).copied()).ok_or("the log is empty")? + 1;
    let began = Instant::now();
    let part = |task| (size * task / TASKS, size * (task + 1) / TASKS);
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let (from, to) = part(task);
            tokio::spawn(verify(store.clone(), author, from, to))
        })
        .collect();
    let mut count = 0;
    for task in tasks {
        count += task.await??;
    }
    if count != size {
        return Err(format!("{count} of {size} operations were validated").into());
    }
    Ok(began.elapsed().as_secs_f64() * 1e6 / size as f64)
}

fn main() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
        match args.as_slice() {
            ["make", file, count] => make(&open(file).await?, count.parse()?).await,
            ["verify", file] => {
                println!("{}", verify_all(&open(file).await?).await?);
                Ok(())
            }
            _ => Err("p2panda-peer make FILE N | verify FILE".into()),
        }
    })
}
