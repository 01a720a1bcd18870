;; The activity of this example: exports demo:fibo/fibo, imports nothing.
;;
;; `result<u64, string>` needs more than one core value, so `fibo` returns the address of
;;   +0  u8   0 = ok, 1 = err
;;   +8  u64  the number            (ok)
;;   +8  i32  the text's address    (err)
;;   +12 i32  the text's length     (err)
(component
  (core module $code
    (memory (export "memory") 1)
    (data (i32.const 64) "n is over 93: the number does not fit in 64 bits")

    (func (export "fibo") (param $n i32) (result i32)
      (local $current i64) (local $next i64)
      (if (i32.gt_u (local.get $n) (i32.const 93))
        (then
          (i32.store8 (i32.const 16) (i32.const 1))
          (i32.store (i32.const 24) (i32.const 64))
          (i32.store (i32.const 28) (i32.const 48))
          (return (i32.const 16))))
      ;; (current, next) starts as (fib 0, fib 1) and moves on by one, n times. `next` wraps
      ;; around at the very end (fib 94), where nobody reads it any more.
      (local.set $next (i64.const 1))
      (block $done
        (loop $again
          (br_if $done (i32.eqz (local.get $n)))
          (i64.add (local.get $current) (local.get $next))
          (local.set $current (local.get $next))
          (local.set $next)
          (local.set $n (i32.sub (local.get $n) (i32.const 1)))
          (br $again)))
      (i32.store8 (i32.const 16) (i32.const 0))
      (i64.store (i32.const 24) (local.get $current))
      (i32.const 16)))

  (core instance $guest (instantiate $code))

  (func $fibo (param "n" u8) (result (result u64 (error string)))
    (canon lift (core func $guest "fibo")
      (memory (core memory $guest "memory")) string-encoding=utf8))

  (instance $exports (export "fibo" (func $fibo)))
  (export "demo:fibo/fibo" (instance $exports)))
