;; The guest of `engine_limit.py`: calls `fibo(n)` `iterations` times and imports nothing else.
(component
  (import "demo:fibo/fibo" (instance $fibo
    (export "fibo" (func (param "n" u8) (result (result u64 (error string)))))))
  (core module $memory-code
    (memory (export "memory") 1)
    ;; Only an error's text would be allocated, and there is none.
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024)))
  (core instance $memory (instantiate $memory-code))
  (alias export $fibo "fibo" (func $fibo-call))
  (core func $fibo-core (canon lower (func $fibo-call)
    (memory (core memory $memory "memory")) (realloc (core func $memory "realloc")) string-encoding=utf8))

  (core module $code
    (import "memory" "memory" (memory 1))
    (import "fibo" "fibo" (func $fibo (param $n i32) (param $out i32)))
    (func (export "fiboa") (param $n i32) (param $iterations i32) (result i32)
      (block $done
        (loop $again
          (br_if $done (i32.eqz (local.get $iterations)))
          (call $fibo (local.get $n) (i32.const 16))
          (local.set $iterations (i32.sub (local.get $iterations) (i32.const 1)))
          (br $again)))
      (i32.const 16)))
  (core instance $imports (export "fibo" (func $fibo-core)))
  (core instance $guest (instantiate $code (with "memory" (instance $memory)) (with "fibo" (instance $imports))))

  (func $fiboa (param "n" u8) (param "iterations" u32) (result (result u64 (error string)))
    (canon lift (core func $guest "fiboa") (memory (core memory $memory "memory")) string-encoding=utf8))
  (instance $exports (export "fiboa" (func $fiboa)))
  (export "bench:guests/limit" (instance $exports)))
