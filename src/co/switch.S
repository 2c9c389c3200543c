/* co/switch.S - void co_switch(void **save_sp, void *load_sp): the coroutine switch.
 *
 * Saves the callee-saved registers of the psABI on the present stack, stores its pointer in *save_sp, and goes on where
 * load_sp was saved. A fresh stack is laid out by stack.c to return into co_entry. No signal mask is touched, so there is
 * no system call.
 */
#if defined(__x86_64__)
	.text
	.globl co_switch
	.type co_switch, @function
co_switch:
	endbr64
	pushq %rbp
	pushq %rbx
	pushq %r12
	pushq %r13
	pushq %r14
	pushq %r15
	movq %rsp, (%rdi)
	movq %rsi, %rsp
	popq %r15
	popq %r14
	popq %r13
	popq %r12
	popq %rbx
	popq %rbp
	ret
	.size co_switch, .-co_switch

	/* First thing on a fresh stack: r12 holds the function, r13 its argument. */
	.globl co_entry
	.type co_entry, @function
co_entry:
	endbr64
	xorl %ebp, %ebp
	movq %r13, %rdi
	call *%r12
	ud2
	.size co_entry, .-co_entry
#elif defined(__aarch64__)
	.text
	.globl co_switch
	.type co_switch, %function
co_switch:
	hint #34
	stp x29, x30, [sp, #-160]!
	stp x19, x20, [sp, #16]
	stp x21, x22, [sp, #32]
	stp x23, x24, [sp, #48]
	stp x25, x26, [sp, #64]
	stp x27, x28, [sp, #80]
	stp d8, d9, [sp, #96]
	stp d10, d11, [sp, #112]
	stp d12, d13, [sp, #128]
	stp d14, d15, [sp, #144]
	mov x9, sp
	str x9, [x0]
	mov sp, x1
	ldp x19, x20, [sp, #16]
	ldp x21, x22, [sp, #32]
	ldp x23, x24, [sp, #48]
	ldp x25, x26, [sp, #64]
	ldp x27, x28, [sp, #80]
	ldp d8, d9, [sp, #96]
	ldp d10, d11, [sp, #112]
	ldp d12, d13, [sp, #128]
	ldp d14, d15, [sp, #144]
	ldp x29, x30, [sp], #160
	ret
	.size co_switch, .-co_switch

	.globl co_entry
	.type co_entry, %function
co_entry:
	hint #34
	mov x29, xzr
	mov x0, x20
	blr x19
	brk #1
	.size co_entry, .-co_entry
#else
#error "co/switch.S knows x86-64 and aarch64; add the switch for this processor"
#endif
	.section .note.GNU-stack,"",%progbits
