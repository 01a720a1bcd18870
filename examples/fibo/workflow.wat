;; The workflow of this example: exports demo:fibo/workflow, calls demo:fibo/fibo.
;;
;; Three parts: what is imported (types first, functions after), the core code, and the wiring that lowers
;; the imports into core functions and lifts the core code's functions into exports.
(component
  ;; --- imports ------------------------------------------------------------------------------------------------------
  ;; An imported function may only mention types that are imported under their name, hence the two `obelisk:types`
  ;; instances. Each declares just what this component uses of the interface.

  (import "obelisk:types/time@5.0.0" (instance $time
    (type $duration' (variant
      (case "milliseconds" u64) (case "seconds" u64) (case "minutes" u32) (case "hours" u32) (case "days" u32)))
    (export "duration" (type $duration (eq $duration')))
    (type $datetime' (record (field "seconds" u64) (field "nanoseconds" u32)))
    (export "datetime" (type $datetime (eq $datetime')))
    (type $schedule-at' (variant (case "now") (case "at" $datetime) (case "in" $duration)))
    (export "schedule-at" (type (eq $schedule-at')))))
  (alias export $time "datetime" (type $datetime))
  (alias export $time "schedule-at" (type $schedule-at))

  (import "obelisk:types/execution@5.0.0" (instance $execution
    (type $execution-id' (record (field "id" string)))
    (export "execution-id" (type $execution-id (eq $execution-id')))
    (type $delay-id' (record (field "id" string)))
    (export "delay-id" (type $delay-id (eq $delay-id')))
    (type $function' (record (field "interface-name" string) (field "function-name" string)))
    (export "function" (type $function (eq $function')))
    (type $response-id' (variant (case "execution-id" $execution-id) (case "delay-id" $delay-id)))
    (export "response-id" (type $response-id (eq $response-id')))
    (type $function-mismatch' (record
      (field "specified-function" $function)
      (field "actual-function" (option $function))
      (field "actual-id" $response-id)))
    (export "function-mismatch" (type $function-mismatch (eq $function-mismatch')))
    (type $await-next-error' (variant (case "all-processed") (case "function-mismatch" $function-mismatch)))
    (export "await-next-extension-error" (type (eq $await-next-error')))))
  (alias export $execution "execution-id" (type $execution-id))
  (alias export $execution "await-next-extension-error" (type $await-next-error))

  (import "obelisk:types/join-set@5.0.0" (instance $join-sets
    (export "join-set" (type (sub resource)))))
  (alias export $join-sets "join-set" (type $join-set))

  (import "obelisk:workflow/workflow-support@6.0.0" (instance $support
    (alias outer 1 $join-set (type $join-set'))
    (export "join-set" (type $join-set (eq $join-set')))
    (alias outer 1 $datetime (type $datetime'))
    (export "datetime" (type $datetime (eq $datetime')))
    (alias outer 1 $schedule-at (type $schedule-at'))
    (export "schedule-at" (type $schedule-at (eq $schedule-at')))
    (export "join-set-create" (func (result (own $join-set))))
    (export "join-set-close" (func (param "self" (own $join-set))))
    (export "sleep" (func
      (param "schedule-at" $schedule-at) (param "name" (option string)) (result (result $datetime))))))

  (import "demo:fibo/fibo" (instance $fibo
    (export "fibo" (func (param "n" u8) (result (result u64 (error string)))))))

  (import "demo:fibo-obelisk-ext/fibo" (instance $fibo-ext
    (alias outer 1 $join-set (type $join-set'))
    (export "join-set" (type $join-set (eq $join-set')))
    (alias outer 1 $execution-id (type $execution-id'))
    (export "execution-id" (type $execution-id (eq $execution-id')))
    (alias outer 1 $await-next-error (type $await-next-error'))
    (export "await-next-extension-error" (type $await-next-error (eq $await-next-error')))
    (export "fibo-submit" (func
      (param "join-set" (borrow $join-set)) (param "n" u8) (result $execution-id)))
    (export "fibo-await-next" (func
      (param "join-set" (borrow $join-set))
      (result (result (result u64 (error string)) (error $await-next-error)))))))

  ;; --- memory -------------------------------------------------------------------------------------------------------
  ;; A module of its own, because lowering an import needs the memory before the code that uses the import exists.
  ;; Addresses below 1024 are fixed (see the code); the host writes strings from 1024 on.
  (core module $memory-code
    (memory (export "memory") 1)
    (data (i32.const 256) "more than 10000 iterations")
    (data (i32.const 320) "the sleep was cancelled")
    (global $top (mut i32) (i32.const 1024))

    ;; Never frees: `reset` gives everything back between two calls of the host.
    (func (export "realloc")
      (param $old i32) (param $old-size i32) (param $align i32) (param $size i32) (result i32)
      (local $start i32)
      (local.set $start                                   ;; top, rounded up to the alignment (a power of two)
        (i32.and
          (i32.add (global.get $top) (i32.sub (local.get $align) (i32.const 1)))
          (i32.sub (i32.const 0) (local.get $align))))
      (global.set $top (i32.add (local.get $start) (local.get $size)))
      (block $fits
        (loop $grow
          (br_if $fits (i32.le_u (global.get $top) (i32.shl (memory.size) (i32.const 16))))
          (br_if $grow (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
        unreachable)
      (local.get $start))

    (func (export "reset") (global.set $top (i32.const 1024))))
  (core instance $memory (instantiate $memory-code))

  ;; --- code ---------------------------------------------------------------------------------------------------------
  ;; Fixed addresses:
  ;;   16  a `result<u64, string>`: u8 tag, at 24 the number, or at 24 and 28 the text's address and length
  ;;   64  what `fibo-await-next` gives: u8 tag (1 = no response), and at 72 a `result<u64, string>` as above
  ;;   160 what `fibo-submit` gives (the child's id) and what `sleep` gives (u8 tag, then the instant)
  (core module $code
    (import "memory" "memory" (memory 1))
    (import "memory" "reset" (func $reset))
    (import "fibo" "fibo" (func $fibo (param $n i32) (param $out i32)))
    (import "fibo" "submit" (func $submit (param $set i32) (param $n i32) (param $out i32)))
    (import "fibo" "await-next" (func $await-next (param $set i32) (param $out i32)))
    (import "support" "join-set-create" (func $join-set-create (result i32)))
    (import "support" "join-set-close" (func $join-set-close (param $set i32)))
    ;; Flattened `schedule-at`: its tag, then two slots wide enough for `at` and for `in`. Then `option<string>`.
    (import "support" "sleep" (func $sleep
      (param $when i32) (param $slot1 i64) (param $slot2 i64)
      (param $named i32) (param $name i32) (param $name-length i32) (param $out i32)))

    (func $ok (param $number i64) (result i32)
      (i32.store8 (i32.const 16) (i32.const 0))
      (i64.store (i32.const 24) (local.get $number))
      (i32.const 16))

    (func $err (param $text i32) (param $length i32) (result i32)
      (i32.store8 (i32.const 16) (i32.const 1))
      (i32.store (i32.const 24) (local.get $text))
      (i32.store (i32.const 28) (local.get $length))
      (i32.const 16))

    (func (export "fiboa") (param $n i32) (param $iterations i32) (result i32)
      (local $number i64)
      (if (i32.gt_u (local.get $iterations) (i32.const 10000))
        (then (return (call $err (i32.const 256) (i32.const 26)))))
      (block $done
        (loop $again
          (br_if $done (i32.eqz (local.get $iterations)))
          (call $reset)
          (call $fibo (local.get $n) (i32.const 16))
          (if (i32.load8_u (i32.const 16)) (then (return (i32.const 16))))
          (local.set $number (i64.load (i32.const 24)))
          (local.set $iterations (i32.sub (local.get $iterations) (i32.const 1)))
          (br $again)))
      (call $ok (local.get $number)))

    (func (export "fiboa-concurrent") (param $n i32) (param $iterations i32) (result i32)
      (local $set i32) (local $left i32) (local $number i64)
      (if (i32.gt_u (local.get $iterations) (i32.const 10000))
        (then (return (call $err (i32.const 256) (i32.const 26)))))
      (local.set $set (call $join-set-create))

      (local.set $left (local.get $iterations))
      (block $submitted
        (loop $again
          (br_if $submitted (i32.eqz (local.get $left)))
          (call $reset)
          (call $submit (local.get $set) (local.get $n) (i32.const 160))
          (local.set $left (i32.sub (local.get $left) (i32.const 1)))
          (br $again)))

      (local.set $left (local.get $iterations))
      (block $done
        (loop $again
          (br_if $done (i32.eqz (local.get $left)))
          (call $reset)
          (call $await-next (local.get $set) (i32.const 64))
          ;; Only `fibo` was submitted, and just as often as is awaited here: no other answer is possible.
          (if (i32.load8_u (i32.const 64)) (then unreachable))
          (if (i32.load8_u (i32.const 72))
            (then
              (call $join-set-close (local.get $set))     ;; settles the children that were not awaited
              (return (i32.const 72))))
          (local.set $number (i64.load (i32.const 80)))
          (local.set $left (i32.sub (local.get $left) (i32.const 1)))
          (br $again)))
      (call $join-set-close (local.get $set))
      (call $ok (local.get $number)))

    (func (export "fibo-later") (param $n i32) (param $milliseconds i32) (result i32)
      (call $reset)
      (call $sleep
        (i32.const 2)                                     ;; schedule-at: in
        (i64.const 0)                                     ;; duration: milliseconds
        (i64.extend_i32_u (local.get $milliseconds))
        (i32.const 0) (i32.const 0) (i32.const 0)         ;; no name
        (i32.const 160))
      (if (i32.load8_u (i32.const 160)) (then (return (call $err (i32.const 320) (i32.const 23)))))
      (call $fibo (local.get $n) (i32.const 16))
      (i32.const 16)))

  ;; --- wiring -------------------------------------------------------------------------------------------------------
  (alias export $fibo "fibo" (func $fibo-call))
  (core func $fibo-core (canon lower (func $fibo-call)
    (memory (core memory $memory "memory")) (realloc (core func $memory "realloc")) string-encoding=utf8))
  (alias export $fibo-ext "fibo-submit" (func $fibo-submit))
  (core func $submit-core (canon lower (func $fibo-submit)
    (memory (core memory $memory "memory")) (realloc (core func $memory "realloc")) string-encoding=utf8))
  (alias export $fibo-ext "fibo-await-next" (func $fibo-await-next))
  (core func $await-next-core (canon lower (func $fibo-await-next)
    (memory (core memory $memory "memory")) (realloc (core func $memory "realloc")) string-encoding=utf8))
  (alias export $support "join-set-create" (func $join-set-create))
  (core func $join-set-create-core (canon lower (func $join-set-create)))
  (alias export $support "join-set-close" (func $join-set-close))
  (core func $join-set-close-core (canon lower (func $join-set-close)))
  (alias export $support "sleep" (func $sleep))
  (core func $sleep-core (canon lower (func $sleep)
    (memory (core memory $memory "memory")) string-encoding=utf8))

  (core instance $fibo-imports
    (export "fibo" (func $fibo-core))
    (export "submit" (func $submit-core))
    (export "await-next" (func $await-next-core)))
  (core instance $support-imports
    (export "join-set-create" (func $join-set-create-core))
    (export "join-set-close" (func $join-set-close-core))
    (export "sleep" (func $sleep-core)))
  (core instance $guest (instantiate $code
    (with "memory" (instance $memory))
    (with "fibo" (instance $fibo-imports))
    (with "support" (instance $support-imports))))

  (func $fiboa (param "n" u8) (param "iterations" u32) (result (result u64 (error string)))
    (canon lift (core func $guest "fiboa")
      (memory (core memory $memory "memory")) string-encoding=utf8))
  (func $fiboa-concurrent (param "n" u8) (param "iterations" u32) (result (result u64 (error string)))
    (canon lift (core func $guest "fiboa-concurrent")
      (memory (core memory $memory "memory")) string-encoding=utf8))
  (func $fibo-later (param "n" u8) (param "milliseconds" u32) (result (result u64 (error string)))
    (canon lift (core func $guest "fibo-later")
      (memory (core memory $memory "memory")) string-encoding=utf8))

  (instance $exports
    (export "fiboa" (func $fiboa))
    (export "fiboa-concurrent" (func $fiboa-concurrent))
    (export "fibo-later" (func $fibo-later)))
  (export "demo:fibo/workflow" (instance $exports)))
