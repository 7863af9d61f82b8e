//! The function that every runtime interface client serves, on lambda_runtime.

use lambda_runtime::{run, service_fn, Context, Error, LambdaEvent};
use serde_json::{json, Value};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

static CALLS: AtomicU64 = AtomicU64::new(0);

#[derive(Debug)]
struct Bad;

impl std::fmt::Display for Bad {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "told to fail")
    }
}

impl std::error::Error for Bad {}

async fn handle(event: LambdaEvent<Value>) -> Result<Value, Error> {
    let calls = CALLS.fetch_add(1, Ordering::SeqCst) + 1;
    let (event, context) = event.into_parts();
    match event["do"].as_str().unwrap_or("") {
        "echo" => Ok(event["value"].clone()),
        "count" => Ok(json!(calls)),
        "size" => Ok(json!(event["value"].as_str().unwrap_or("").len())),
        "big" => Ok(json!("x".repeat(event["bytes"].as_u64().unwrap_or(0) as usize))),
        "log" => {
            println!("logged {}", event["value"].as_str().unwrap_or(""));
            Ok(Value::Null)
        }
        "handled" => Err(Box::new(Bad)),
        "thrown" => panic!("wrong"),
        "exit" => std::process::exit(3),
        "sleep" => {
            tokio::time::sleep(Duration::from_secs(60)).await;
            Ok(Value::Null)
        }
        _ => Ok(told(&context)),
    }
}

fn told(context: &Context) -> Value {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64;
    let env = |name: &str| std::env::var(name).ok();
    json!({
        "request": context.request_id, "name": context.env_config.function_name, "version": context.env_config.version,
        "arn": context.invoked_function_arn, "memory": context.env_config.memory, "group": env("AWS_LAMBDA_LOG_GROUP_NAME"),
        "stream": env("AWS_LAMBDA_LOG_STREAM_NAME"), "left": context.deadline.saturating_sub(now),
        "custom": context.client_context.as_ref().and_then(|c| c.custom.get("k").cloned()),
        "region": env("AWS_REGION"), "own": env("OWN"), "trace": context.xray_trace_id,
    })
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    run(service_fn(handle)).await
}
