;; A workflow that calls child workflows one after another, `calls` times.
(component
  (import "bench:guests/child" (instance $child
    (export "answer" (func (param "n" u8) (result u64)))))
  (alias export $child "answer" (func $answer))
  (core func $answer-core (canon lower (func $answer)))

  (core module $code
    (import "child" "answer" (func $answer (param i32) (result i64)))
    (func (export "series") (param $n i32) (param $calls i32) (result i64)
      (local $last i64)
      (block $done
        (loop $again
          (br_if $done (i32.eqz (local.get $calls)))
          (local.set $last (call $answer (local.get $n)))
          (local.set $calls (i32.sub (local.get $calls) (i32.const 1)))
          (br $again)))
      (local.get $last)))
  (core instance $imports (export "answer" (func $answer-core)))
  (core instance $guest (instantiate $code (with "child" (instance $imports))))

  (func $series (param "n" u8) (param "calls" u32) (result u64) (canon lift (core func $guest "series")))
  (instance $exports (export "series" (func $series)))
  (export "bench:guests/parent" (instance $exports)))
